"""Credentials that are in use all the time, and until when they were good."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.running import wait_for

# How long a revocation may take to hold everywhere (contract 2.1).
PROMISED_SECONDS = 1.0
REFUSED = {401, 403}


class Use:
    """One client that asks the same over and over."""

    def __init__(self, ask: Callable[[], int]) -> None:
        self._ask = ask
        # When each call began (on the monotonic clock), and the status it got.
        self.calls: list[tuple[float, int]] = []

    @property
    def statuses(self) -> set[int]:
        """All that it got."""
        return {status for _, status in self.calls}

    def once(self) -> None:
        """One call."""
        began = time.monotonic()
        self.calls.append((began, self._ask()))

    def works(self) -> bool:
        """Whether the last call went well."""
        return bool(self.calls) and self.calls[-1][1] < 400

    def ends(self, answered: float) -> None:
        """Fails the test unless no call succeeds that began a second after a revocation was answered, and none again.

        What counts is when a call began, so that a busy machine makes no difference.
        """
        wait_for(lambda: any(began > answered and status in REFUSED for began, status in list(self.calls)))
        late = [began - answered for began, status in self.calls if status < 400]
        assert max(late, default=0.0) < PROMISED_SECONDS
        first = next(place for place, (began, status) in enumerate(self.calls) if status in REFUSED)
        assert all(status in REFUSED | {503} for _, status in self.calls[first:])


@contextmanager
def constantly(*asked: Callable[[], int]) -> Iterator[list[Use]]:
    """Asks for each within the block, beside the others, once each has had an answer."""
    uses = [Use(ask) for ask in asked]
    ended = threading.Event()

    def go_on(use: Use) -> None:
        while not ended.is_set():
            use.once()

    with ThreadPoolExecutor(len(uses)) as threads:
        running = [threads.submit(go_on, use) for use in uses]
        try:
            wait_for(lambda: all(use.calls for use in uses))
            yield uses
        finally:
            ended.set()
    for each in running:
        each.result()
