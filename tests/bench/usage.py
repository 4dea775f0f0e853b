"""What the platform's processes take of memory and cores, by program."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import psutil

from tests.running import Running

MIB = 1024 * 1024
SAMPLE_SECONDS = 0.5

Sums = defaultdict[str, float]
Programs = list[tuple[str, psutil.Process]]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """MiB by program. `resident` counts a page once for each process that has it, `proportional` once in all."""

    resident: dict[str, float]
    proportional: dict[str, float]


@dataclass(kw_only=True)
class Usage:
    """What was used during a load: the most memory (MiB, resident) and the cores, by program, and the most in all."""

    peak_resident: dict[str, float] = field(default_factory=dict)
    peak_resident_sum: float = 0.0
    cores: dict[str, float] = field(default_factory=dict)


def memory(running: Running) -> Memory:
    """The memory now."""
    resident: Sums = defaultdict(float)
    proportional: Sums = defaultdict(float)
    for program, process in _processes(running):
        with suppress(psutil.NoSuchProcess):
            taken = process.memory_full_info()
            resident[program] += taken.rss / MIB
            proportional[program] += taken.pss / MIB
    return Memory(resident=dict(resident), proportional=dict(proportional))


@asynccontextmanager
async def watched(running: Running) -> AsyncIterator[Usage]:
    """Samples usage during the block; cores are known at its end."""
    usage = Usage()
    # Found once: looking for processes takes tens of milliseconds, in which the load would stand still.
    processes = list(_processes(running))
    before, started = _core_seconds(processes), time.perf_counter()
    sampling = asyncio.create_task(_sample(processes, usage))
    try:
        yield usage
    finally:
        sampling.cancel()
        took = time.perf_counter() - started
        after = _core_seconds(processes)
        usage.cores = {program: (spent - before[program]) / took for program, spent in after.items()}


async def _sample(processes: Programs, usage: Usage) -> None:
    while True:
        now: Sums = defaultdict(float)
        for program, process in processes:
            with suppress(psutil.NoSuchProcess):
                now[program] += process.memory_info().rss / MIB
        for program, resident in now.items():
            usage.peak_resident[program] = max(resident, usage.peak_resident.get(program, 0.0))
        usage.peak_resident_sum = max(sum(now.values()), usage.peak_resident_sum)
        await asyncio.sleep(SAMPLE_SECONDS)


def _core_seconds(processes: Programs) -> Sums:
    spent: Sums = defaultdict(float)
    for program, process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent[program] += times.user + times.system
    return spent


def _processes(running: Running) -> Iterator[tuple[str, psutil.Process]]:
    """Every process with the name of its program; children count with the program that started them."""
    supervisor = psutil.Process(running.process.pid)
    yield "supervisor", supervisor
    for child in supervisor.children():
        with suppress(psutil.NoSuchProcess):
            name = _program(child)
            yield from ((name, process) for process in (child, *child.children(recursive=True)))


def _program(process: psutil.Process) -> str:
    """`postgres`, `nats-server`, `envoy`, or the last part of a Python module's name."""
    command = process.cmdline()
    return command[2].rpartition(".")[2] if command[1:2] == ["-m"] else process.name()
