"""Batches through the edge: how many events a second are accepted, stored, and how soon they can be queried."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.ingestion import batches, rows, times
from tests.bench import alone
from tests.bench.alone import Alone
from tests.bench.events import BATCH, batch_requests
from tests.bench.load import Answer, Load, LoadFailed, run_load
from tests.bench.usage import Usage, watched
from tests.bench.visibility import Visibility
from tests.e2e.account import Account
from tests.running import Running

BLOCK_ROWS = 50_000

Done = Callable[[int], object]


@dataclass(frozen=True, kw_only=True)
class Ingest:
    """One load of batches. `stored_seconds` is from its first request until all of its events could be queried."""

    load: Load
    markers: int
    stored_seconds: float
    lags: list[float]
    usage: Usage

    @property
    def events(self) -> int:
        """Accepted events in batches."""
        return self.load.requests * BATCH

    @property
    def accepted_rate(self) -> float:
        """Accepted events a second."""
        return self.events / self.load.seconds

    @property
    def stored_rate(self) -> float:
        """Stored events a second."""
        return self.events / self.stored_seconds


async def measure(
    running: Running,
    account: Account,
    bodies: Sequence[bytes],
    *,
    seconds: float,
    rate: float | None = None,
    done: Done = lambda _: None,
) -> Ingest:
    """Sends batches for so many seconds, `rate` events a second or all it can, and waits until all are stored."""
    requests = itertools.cycle(batch_requests(bodies, account.key))
    visibility = Visibility(running, account.tenant_id, account.key)
    async with watched(running) as usage, visibility.watching():
        started = time.perf_counter()
        load, _ = await asyncio.gather(
            run_load(
                running.settings.edge_port,
                requests,
                is_right=_took_all,
                seconds=seconds,
                rate=rate and rate / BATCH,
                done=lambda answers: done(answers * BATCH),
            ),
            visibility.mark(seconds),
        )
        await visibility.all_loaded()
        stored_seconds = time.perf_counter() - started
    load.raise_errors()
    return Ingest(
        load=load, markers=len(visibility.lags), stored_seconds=stored_seconds, lags=visibility.lags, usage=usage
    )


def check_stored(warehouse: Path, tenant_id: int, loads: Sequence[Ingest]) -> None:
    """Raises LoadFailed unless a warehouse, whose platform has stopped, holds each accepted event exactly once."""
    accepted = sum(load.events + load.markers for load in loads)
    with Alone(warehouse) as engine:
        source = f"FROM events WHERE tenant_id = {tenant_id}"
        stored = engine.run(alone.number, f"SELECT count() {source}")
        distinct = engine.run(alone.number, f"SELECT uniqExact(event_id) {source}")
    if (stored, distinct) != (accepted, accepted):
        raise LoadFailed(f"{accepted} events were accepted, {stored} are stored, {distinct} of them different")


def raw_insert_rate(warehouse: Path, bodies: Sequence[bytes], seconds: float, done: Done = lambda _: None) -> float:
    """Rows a second that a fresh warehouse takes in large blocks with nothing else running: the same rows."""
    blocks = _blocks(bodies)
    taken, spent = 0, 0.0
    with Alone(warehouse) as engine:
        for number in itertools.count():
            block = blocks[number % len(blocks)]
            spent += engine.run(alone.insert, block, str(number))
            taken += block.count(b"\n")
            done(block.count(b"\n"))
            if spent >= seconds:
                return taken / spent
    raise AssertionError


def _blocks(bodies: Sequence[bytes]) -> list[bytes]:
    """The events of the bodies as ingestion encodes them and the loader joins them."""
    received_at = datetime.now(UTC)
    text = times.utc_text(received_at)
    messages = [rows.encode(1, text, batches.parse_batch(body, received_at).columns, {}).text for body in bodies]
    size = BLOCK_ROWS // BATCH
    return [
        b"".join(messages[start : start + size]).replace(b"\n", b"\t%d\n" % (start + 1))
        for start in range(0, len(messages), size)
    ]


def _took_all(answer: Answer) -> bool:
    return answer.status == 202 and json.loads(answer.body)["queued"] == BATCH
