"""How the time of a definition grows with the events of the same users, in a platform with its limits of memory."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from statistics import median

from tests.bench import conditions, dataset
from tests.bench.load import LoadFailed
from tests.bench.platform import edge_url, started
from tests.e2e.account import Account, register
from tests.running import Running

ROUNDS = 5
MIB_OF_KIB = 1024
# All but the membership in another segment, which does not grow with the events.
DEFINITION = {"logic": "AND", "conditions": [*conditions.SEVEN.conditions[:-1]]}
# Of a million events hardly anybody meets all of them, but hundreds meet this one.
FIRST = {"logic": "AND", "conditions": [*conditions.SEVEN.conditions[:1]]}


@dataclass(frozen=True, kw_only=True)
class Size:
    """Seconds of an exact preview over so many events, and the most resident memory of the warehouse process in MiB."""

    events: int
    seconds: float
    peak_mib: float


def measure(directory: Path, sizes: Sequence[int], *, users: int, done: Callable[[int], object]) -> list[Size]:
    """Generates each size in turn and previews; `done` is told of each number of generated events."""
    found = []
    for events in sizes:
        home = directory / f"growth-{events}"
        dataset.generate(home / "warehouse", tenant_id=1, events=events, users=users, done=done)
        with started(home) as running, register(edge_url(running)) as account:
            assert account.tenant_id == 1
            if not preview(account, FIRST)[0]:
                raise LoadFailed("the events that were generated are not there")
            seconds = median(preview(account, DEFINITION)[1] for _ in range(ROUNDS))
            found.append(Size(events=events, seconds=seconds, peak_mib=peak_mib(running)))
        rmtree(home)
    return found


def preview(account: Account, definition: object) -> tuple[int, float]:
    """How many a preview finds, and the seconds until it is answered. Raises LoadFailed."""
    begun = time.perf_counter()
    answer = account.server.post("/api/segments/preview/", json={"definition": definition})
    if not answer.is_success:
        raise LoadFailed(f"a preview was answered {answer.status_code} {answer.text[:200]}")
    return answer.json()["matched_users"], time.perf_counter() - begun


def peak_mib(running: Running) -> float:
    """The most memory that the warehouse process ever had resident."""
    warehouse = next(process for process in running.family() if "services.warehouse" in process.cmdline())
    status = Path(f"/proc/{warehouse.pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / MIB_OF_KIB
