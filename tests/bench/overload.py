"""Twice as many membership checks as can be answered: some are refused with 503, and afterwards all is as before."""

import itertools
from dataclasses import dataclass

from tests.bench.load import Answer, Load, LoadFailed, run_load
from tests.bench.membership import checks_of
from tests.e2e.account import Account
from tests.running import Running

# Enough to keep the edge busy, and so many that requests which are due find one that waits for nothing.
BUSY_CONNECTIONS, OPEN_CONNECTIONS = 64, 1_500
SHED = "503 "


@dataclass(frozen=True, kw_only=True)
class Overload:
    """Checks before, during and after; latencies of `during` are those of the checks that were answered."""

    before: Load
    during: Load
    after: Load

    @property
    def shed(self) -> int:
        """How many were refused."""
        return len(self.during.errors)


async def measure(running: Running, account: Account, users: list[str], *, seconds: float) -> Overload:
    """Offers twice the rate that was answered before. Raises LoadFailed when any answer is neither 200 nor 503."""
    port = running.settings.edge_port
    requests = itertools.cycle(checks_of(users, authorization=f"ApiKey {account.key}"))

    async def checks(connections: int, rate: float | None = None) -> Load:
        return await run_load(
            port, requests, is_right=_is_answered, seconds=seconds, rate=rate, connections=connections
        )

    before = await checks(BUSY_CONNECTIONS)
    before.raise_errors()
    during = await checks(OPEN_CONNECTIONS, 2 * before.rate)
    if strange := [error for error in during.errors if not error.startswith(SHED)]:
        raise LoadFailed(f"{len(strange)} checks were neither answered nor refused; the first: {strange[0]}")
    after = await checks(BUSY_CONNECTIONS)
    after.raise_errors()
    return Overload(before=before, during=during, after=after)


def _is_answered(answer: Answer) -> bool:
    return answer.status == 200
