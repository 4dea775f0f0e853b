"""Checks of single users while a segment is computed again and again and events are loaded."""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from tests.bench import load
from tests.bench.events import BATCH
from tests.bench.load import Answer, Load, request, run_load
from tests.bench.membership import PATH
from tests.e2e.account import Account
from tests.running import Running

CHECKS_A_SECOND = 200.0
EVENTS_A_SECOND = 5_000
# Of each kind of load: a check must not wait for a batch of the generator's own.
CONNECTIONS = 4
POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Busy:
    """The checks, and how many computes were done meanwhile."""

    checks: Load
    computes: int


async def measure(
    running: Running,
    account: Account,
    segment_id: int,
    members: Sequence[str],
    loads: Iterator[bytes],
    *,
    seconds: float,
    done: Callable[[int], object] = lambda _: None,
) -> Busy:
    """Checks members at a steady rate, while `loads`, requests with batches of events, are sent too.

    Raises LoadFailed when a check or a batch is not answered as it should be.
    """
    port, key = running.settings.edge_port, f"ApiKey {account.key}"
    checks = [request("GET", f"{PATH}/?user_id={quote(user)}", authorization=key) for user in members]
    computes = itertools.count()
    computing = asyncio.create_task(_keep_computing(port, segment_id, key, computes))
    try:
        checked, loaded = await asyncio.gather(
            run_load(
                port,
                itertools.cycle(checks),
                is_right=lambda answer: answer.status == 200,
                seconds=seconds,
                rate=CHECKS_A_SECOND,
                connections=CONNECTIONS,
                done=done,
            ),
            run_load(
                port,
                loads,
                is_right=lambda answer: answer.status == 202,
                seconds=seconds,
                rate=EVENTS_A_SECOND / BATCH,
                connections=CONNECTIONS,
            ),
        )
    finally:
        computing.cancel()
        with suppress(asyncio.CancelledError):
            await computing
    checked.raise_errors()
    loaded.raise_errors()
    return Busy(checks=checked, computes=next(computes))


async def _keep_computing(port: int, segment_id: int, key: str, computes: Iterator[int]) -> None:
    """Asks for the next compute as soon as one is done, and takes a number of `computes` for each."""
    path = f"/api/segments/{segment_id}/"
    connection = await load.connect(port)
    while True:
        await connection.ask(request("POST", f"{path}compute/", authorization=key))
        while b'"status":"computing"' in await _text(connection, path, key):
            await asyncio.sleep(POLL_SECONDS)
        next(computes)


async def _text(connection: load.Connection, path: str, key: str) -> bytes:
    answer: Answer = await connection.ask(request("GET", path, authorization=key))
    return answer.body
