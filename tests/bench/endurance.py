"""The memory of each process while events come in for ten minutes: flat, or something grows."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench import ingest
from tests.bench.ingest import Ingest
from tests.bench.usage import memory
from tests.e2e.account import Account
from tests.running import Running

SAMPLES = 20
# Caches fill and pools open in the first part of the time.
WARM_SHARE = 0.3


@dataclass(frozen=True, kw_only=True)
class Endurance:
    """The load, and the resident memory of each program (MiB) in the order of time, evenly spaced."""

    ingest: Ingest
    resident: dict[str, list[float]]

    def growth(self) -> dict[str, float]:
        """MiB by which the second half of the time after the warm-up is above the first, by program."""
        return {program: _growth(values[int(len(values) * WARM_SHARE) :]) for program, values in self.resident.items()}


async def measure(
    running: Running,
    account: Account,
    bodies: Sequence[bytes],
    *,
    seconds: float,
    rate: float,
    done: Callable[[int], object] = lambda _: None,
) -> Endurance:
    """Sends `rate` events a second in batches, for so many seconds."""
    resident: dict[str, list[float]] = {}
    sampling = asyncio.create_task(_sample(running, seconds, resident))
    load = await ingest.measure(running, account, bodies, seconds=seconds, rate=rate, done=done)
    await sampling
    return Endurance(ingest=load, resident=resident)


async def _sample(running: Running, seconds: float, resident: dict[str, list[float]]) -> None:
    started = time.perf_counter()
    for number in range(1, SAMPLES + 1):
        await asyncio.sleep(started + number * seconds / SAMPLES - time.perf_counter())
        # Reading the maps of all processes takes long enough to hold up the load.
        for program, mib in (await asyncio.to_thread(memory, running)).resident.items():
            resident.setdefault(program, []).append(mib)


def _growth(values: Sequence[float]) -> float:
    middle = len(values) // 2
    first, second = values[:middle], values[middle:]
    return sum(second) / len(second) - sum(first) / len(first)
