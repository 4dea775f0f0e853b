"""How long a sync that failed waits until it is tried again, and when it is given up."""

import random
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_CHARACTERS = 500
# Shorter ones would be found in ordinary words.
SHORTEST_SECRET = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """Waits that grow with the time something fails, each shortened by chance by up to a half, so that those who failed
    together do not come back together."""

    first: timedelta
    longest: timedelta
    give_up: timedelta

    def is_over(self, failing_since: datetime, now: datetime) -> bool:
        """Whether something that fails so long is given up."""
        return now - failing_since >= self.give_up

    def wait(self, failing_since: datetime, now: datetime, asked: float | None) -> timedelta:
        """How long to wait, and no less than was asked for, in seconds, within the time until it is given up."""
        # As long as it has failed so far, which doubles from try to try.
        backoff = min(max(self.first, now - failing_since), self.longest) * random.uniform(0.5, 1)
        return max(backoff, min(timedelta(seconds=min(asked or 0, 1e9)), self.give_up))


def public_text(text: str, secrets: Collection[str]) -> str:
    """A destination's text as the connector's owner reads it: one line, not too long, without secrets."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    line = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"
