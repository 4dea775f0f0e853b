"""How fast the loader is: `python -m tests.integration.warehouse.throughput [events a second] [seconds]`.

Prints the rate of acknowledged and loaded events, how long after their acknowledgement events could be queried, and
what the warehouse process took of a core and of memory; then how fast it loads what it finds waiting at its start.
Messages are 500 rows of about 200 bytes.
"""

import asyncio
import random
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import psutil

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.eventlog import EventLog
from tests.integration.warehouse.processes import NATS, WAREHOUSE, Processes, Warehouse
from tests.integration.warehouse.rows import RECEIVED_AT, Event, payload, rows

ROWS = 500
TYPES = ("page_viewed",) * 14 + ("search_performed", "cart_add") * 2 + ("order_placed", "context_identified")


def message() -> bytes:
    """One message of a batch of 500 events by 500 thousand users."""
    return rows(
        1,
        *(
            Event(
                user_id=f"usr_{random.randrange(500_000):016x}",
                event_type=random.choice(TYPES),
                occurred_at=RECEIVED_AT - timedelta(milliseconds=random.randrange(86_400_000)),
                payload=payload(path=f"/p/{random.randrange(9999)}", total=random.randrange(500), currency="EUR"),
            )
            for _ in range(ROWS)
        ),
    )


async def publish(log: EventLog, rate: int, seconds: float) -> list[tuple[int, float]]:
    """Sends messages at a steady rate; returns the sequence of each and when it was acknowledged."""
    bodies = [message() for _ in range(200)]
    acknowledged: list[tuple[int, float]] = []
    started = time.perf_counter()

    async def send(number: int) -> None:
        await asyncio.sleep(max(0.0, started + number * ROWS / rate - time.perf_counter()))
        acknowledged.append((await log.append(1, bodies[number % len(bodies)]), time.perf_counter()))

    async def lane(first: int) -> None:
        for number in range(first, int(seconds * rate / ROWS), 8):
            await send(number)

    await asyncio.gather(*(lane(first) for first in range(8)))
    return acknowledged


async def watch(warehouse: Warehouse, seen: list[tuple[int, float]]) -> None:
    """Notes when the load position moved, until it is cancelled."""
    metadata = warehouse.metadata(1)
    while True:
        position = await warehouse.stub.GetLoadPosition(pb.GetLoadPositionRequest(), metadata=metadata)
        if not seen or position.sequence > seen[-1][0]:
            seen.append((position.sequence, time.perf_counter()))
        await asyncio.sleep(0.01)


def delays(acknowledged: list[tuple[int, float]], seen: list[tuple[int, float]]) -> list[float]:
    """Seconds from acknowledged to loaded, sorted."""
    moves = iter(seen)
    position, at = next(moves)
    found = []
    for sequence, acknowledged_at in sorted(acknowledged):
        while position < sequence:
            position, at = next(moves)
        found.append(at - acknowledged_at)
    return sorted(found)


def report(process: psutil.Process, acknowledged: list[tuple[int, float]], late: list[float], sent: float) -> None:
    """Prints what a steady run came to."""
    print(f"acknowledged: {len(acknowledged) * ROWS / sent:,.0f} events/s")
    p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
    print(f"visible after: p50 {p50:.3f} s, p99 {p99:.3f} s, at most {late[-1]:.3f} s")
    print(f"warehouse: {process.memory_info().rss >> 20} MiB")


async def steady(processes: Processes, rate: int, seconds: float) -> None:
    """Loads while events come in."""
    warehouse = Warehouse(processes.settings, await EventLog.connect(processes.settings))
    await warehouse.loaded(0)
    process = psutil.Process(processes.pid(WAREHOUSE))
    print(f"idle: {process.memory_info().rss >> 20} MiB")
    used, seen = sum(process.cpu_times()[:2]), [(0, 0.0)]
    watching = asyncio.create_task(watch(warehouse, seen))
    started = time.perf_counter()
    acknowledged = await publish(warehouse.log, rate, seconds)
    sent = time.perf_counter() - started
    while seen[-1][0] < max(sequence for sequence, _ in acknowledged):
        await asyncio.sleep(0.01)
    watching.cancel()
    cores = (sum(process.cpu_times()[:2]) - used) / (time.perf_counter() - started)
    print(f"{len(seen)} blocks, {cores:.2f} cores")
    report(process, acknowledged, delays(acknowledged, seen), sent)
    await warehouse.close()


async def backlog(processes: Processes, events: int) -> None:
    """Loads what came in while the warehouse was away."""
    processes.end(WAREHOUSE)
    warehouse = Warehouse(processes.settings, await EventLog.connect(processes.settings))
    acknowledged = await publish(warehouse.log, events, 1)
    processes.start(WAREHOUSE)
    await warehouse.loaded(acknowledged[0][0])
    started, process = time.perf_counter(), psutil.Process(processes.pid(WAREHOUSE))
    used = sum(process.cpu_times()[:2])
    await warehouse.loaded(max(sequence for sequence, _ in acknowledged))
    took = time.perf_counter() - started
    cores = (sum(process.cpu_times()[:2]) - used) / took
    print(f"backlog: {len(acknowledged) * ROWS / took:,.0f} events/s, {cores:.2f} cores")
    await warehouse.close()


def main() -> None:
    """Starts NATS and the warehouse, measures, and ends them."""
    rate, seconds = (float(text) for text in (*sys.argv[1:], "60000", "20")[:2])
    with tempfile.TemporaryDirectory() as directory:
        processes = Processes(Path(directory) / "data")
        try:
            processes.start(NATS, WAREHOUSE)
            asyncio.run(steady(processes, int(rate), seconds))
            asyncio.run(backlog(processes, int(rate) * 20))
        finally:
            processes.close()


if __name__ == "__main__":
    main()
