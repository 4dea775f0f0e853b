"""How many calls each name made in a minute, counted in this process."""

import sys
from typing import Protocol


class Counting(Protocol):
    """Counts calls by name and minute (minutes since 1970-01-01 UTC)."""

    async def add(self, name: str, minute: int, limit: int) -> int:
        """How many calls `name` made in this minute with this one. What goes beyond `limit` is not counted further."""

    def note(self, name: str, minute: int) -> None:
        """Counts a call that nothing limits, and waits for nobody."""

    async def made(self, name: str, minute: int) -> int:
        """How many calls `name` made in this minute; of those that others only noted, the ones of a second ago."""

    async def take_back(self, name: str, minute: int) -> None:
        """Uncounts one call."""


class Counts:
    """The counts of the current minute. Names beyond `most` make the first ones forgotten.

    A plain dictionary: the memory storage of `limits` looks at every name on each call: 36 µs with 100 tenants
    and 840 µs with 10,000. This takes 0.3 µs with any number.
    """

    def __init__(self, most: int = sys.maxsize) -> None:
        self._most = most
        self._minute = 0
        self._calls: dict[str, int] = {}

    async def add(self, name: str, minute: int, limit: int) -> int:
        """See Counting. A call of an earlier minute, by a clock that was put back, is one of the current minute."""
        return self._add(name, minute, limit)

    def note(self, name: str, minute: int) -> None:
        """See Counting."""
        self._add(name, minute, sys.maxsize)

    async def made(self, name: str, minute: int) -> int:
        """See Counting."""
        return self._calls.get(name, 0) if minute <= self._minute else 0

    def _add(self, name: str, minute: int, limit: int) -> int:
        if minute > self._minute:
            self._minute, self._calls = minute, {}
        if name not in self._calls and len(self._calls) >= self._most:
            del self._calls[next(iter(self._calls))]
        calls = self._calls.get(name, 0) + 1
        if calls <= limit:
            self._calls[name] = calls
        return calls

    async def take_back(self, name: str, minute: int) -> None:
        """See Counting. Once its minute is over there is nothing to take back."""
        if minute == self._minute and name in self._calls:
            self._calls[name] -= 1

    def learn(self, name: str, minute: int, calls: int) -> None:
        """Notes that `name` made at least so many calls."""
        if minute == self._minute and name in self._calls:
            self._calls[name] = max(calls, self._calls[name])
