"""How a stand-in misbehaves: a plan that is the same for the same seed."""

import random
from collections import Counter
from collections.abc import Sequence
from enum import Enum


class Fault(Enum):
    """What goes wrong with one request."""

    DROP_BEFORE = "the connection is dropped, nothing is taken"
    DROP_AFTER = "all is taken, then the connection is dropped"
    THROTTLE = "429 with Retry-After, nothing is taken"
    FAIL_BEFORE = "503, nothing is taken"
    FAIL_AFTER = "all is taken, then 503"
    PARTLY = "one half is taken, then 503"
    SLOW = "all is taken, the answer takes its time"
    HANG = "nothing is taken, and there is no answer"


# Those after which a sender need not wait for its own timeout.
QUICK = (
    Fault.DROP_BEFORE,
    Fault.DROP_AFTER,
    Fault.THROTTLE,
    Fault.FAIL_BEFORE,
    Fault.FAIL_AFTER,
    Fault.PARTLY,
    Fault.SLOW,
)


class Mischief:
    """A share of the requests, 0 to 1, meets one of the faults; `happened` counts them.

    `faults` may be changed while the stand-in runs: a stand-in that is down has `share` 1 and DROP_BEFORE only.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        share: float = 0.0,
        faults: Sequence[Fault] = QUICK,
        retry_after: int = 0,
        slow_seconds: float = 0.05,
        hang_seconds: float = 60.0,
    ) -> None:
        self.share = share
        self.faults = faults
        self.retry_after = retry_after
        self.slow_seconds = slow_seconds
        self.hang_seconds = hang_seconds
        self.happened: Counter[Fault] = Counter()
        self._random = random.Random(seed)
        self._next: list[Fault | None] = []

    def then(self, *faults: Fault | None) -> None:
        """The next requests meet these faults, or none, whatever the plan."""
        self._next += faults

    def next(self) -> Fault | None:
        """What the next request meets."""
        fault = self._drawn() if not self._next else self._next.pop(0)
        if fault is not None:
            self.happened[fault] += 1
        return fault

    def _drawn(self) -> Fault | None:
        return self._random.choice(self.faults) if self._random.random() < self.share else None
