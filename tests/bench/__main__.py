"""`make bench`: measures the platform and what bounds it; prints a table, writes docs/benchmarks.json and .svg.

Each part starts a platform of its own. Nothing else should run on the machine meanwhile.
"""

import argparse
import itertools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench import (
    busy,
    compute,
    conditions,
    connectors,
    dataset,
    endurance,
    events,
    growth,
    ingest,
    lines,
    membership,
    overload,
    profiles,
    singles,
    trivial,
)
from tests.bench.chart import draw
from tests.bench.load import Load, request
from tests.bench.platform import edge_url, started
from tests.bench.report import Report
from tests.bench.usage import memory
from tests.e2e.account import register
from tests.running import Running

ROOT = Path(__file__).parents[2]
DOCS, CACHE = ROOT / "docs", ROOT / ".cache"
# The first tenant of a fresh platform; the generated data is made before there is one.
FIRST_TENANT = 1
# A little more than the goal, so that the goal is reached and not just missed.
PACE = lines.EVENTS_A_SECOND * 1.01
SINGLES_PACE = lines.SINGLES_A_SECOND * 1.01
CHECKED_USERS = 20_000
PARTS = ("ingest", "segments", "profiles", "connectors", "growth", "endurance", "generator")


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured. Times in seconds."""

    bodies: int
    steady: float
    most: float
    raw: float
    checks: float
    lookups: float
    trivial: float
    users: int
    events: int
    growth: tuple[int, ...]
    members: int
    endurance: float


FULL = Size(
    bodies=400,
    steady=60,
    most=20,
    raw=10,
    checks=10,
    lookups=30,
    trivial=3,
    users=500_000,
    events=10_000_000,
    growth=(1_000_000, 10_000_000, 50_000_000),
    members=1_000_000,
    endurance=600,
)
QUICK = Size(
    bodies=100,
    steady=10,
    most=5,
    raw=3,
    checks=3,
    lookups=10,
    trivial=1,
    users=50_000,
    events=1_000_000,
    growth=(100_000, 1_000_000),
    members=100_000,
    endurance=20,
)


class Run:
    """One run: its size, where it may write, and its report."""

    def __init__(self, size: Size, directory: Path, progress: Progress, report: Report) -> None:
        self._size = size
        self._directory = directory
        self._progress = progress
        self._report = report

    def generator(self) -> None:
        """What the load generator itself costs."""
        size, done = self._size, self._bar("The load generator alone", 2)
        batches = events.batch_requests(events.batch_bodies(20, size.users), "k" * 43)
        batch = uvloop.run(trivial.measure(batches, size.trivial))
        done(1)
        check = uvloop.run(trivial.measure([request("GET", membership.PATH, authorization="k" * 50)], size.trivial))
        done(1)
        self._report.lines += lines.of_generator(batch, check)

    def ingest(self) -> None:
        """Batches into an empty platform."""
        size = self._size
        bodies = events.batch_bodies(size.bodies, size.users)
        home = self._directory / "ingest"
        with started(home) as running, register(edge_url(running)) as account:
            idle = memory(running)
            done = self._bar("Ingest, steady", PACE * size.steady)
            steady = uvloop.run(ingest.measure(running, account, bodies, seconds=size.steady, rate=PACE, done=done))
            done = self._bar("Ingest, at most", PACE * size.most)
            most = uvloop.run(ingest.measure(running, account, bodies, seconds=size.most, done=done))
            loaded = memory(running)
            # Of another tenant, so that what is stored of the batches can be counted.
            with register(edge_url(running)) as other:
                paced, most_singles = self._singles(running, other.key, bodies)
        ingest.check_stored(home / "warehouse", account.tenant_id, [steady, most])
        done = self._bar("Raw insert", PACE * size.raw)
        raw_rate = ingest.raw_insert_rate(self._directory / "raw", bodies, size.raw, done)
        self._report.lines += [*lines.of_memory(idle), *lines.of_ingest(steady, most, raw_rate)]
        self._report.lines += lines.of_singles(paced, most_singles)
        self._report.processes |= {
            "idle": asdict(idle),
            "after ingest": asdict(loaded),
            "ingest, steady": asdict(steady.usage),
            "ingest, at most": asdict(most.usage),
        }

    def _singles(self, running: Running, key: str, bodies: Sequence[bytes]) -> tuple[Load, Load]:
        size, alone = self._size, events.single_bodies(bodies[:20])
        done = self._bar("Single events, steady", SINGLES_PACE * size.most)
        paced = uvloop.run(singles.measure(running, key, alone, seconds=size.most, rate=SINGLES_PACE, done=done))
        done = self._bar("Single events, at most", SINGLES_PACE * size.most)
        return paced, uvloop.run(singles.measure(running, key, alone, seconds=size.most, done=done))

    def endurance(self) -> None:
        """Ten minutes of batches at half the pace."""
        size = self._size
        bodies = events.batch_bodies(size.bodies, size.users)
        with started(self._directory / "endurance") as running, register(edge_url(running)) as account:
            done = self._bar("Memory over ten minutes", PACE / 2 * size.endurance)
            found = uvloop.run(
                endurance.measure(running, account, bodies, seconds=size.endurance, rate=PACE / 2, done=done)
            )
        self._report.lines += lines.of_endurance(found)
        self._report.processes["endurance"] = {"resident": found.resident}

    def segments(self) -> None:
        """Computes over generated events, and checks of the members they found."""
        size = self._size
        home = self._directory / "segments"
        warehouse = home / "warehouse"
        done = self._bar("Generating events", size.events)
        dataset.generate(warehouse, tenant_id=FIRST_TENANT, events=size.events, users=size.users, done=done)
        with started(home) as running, register(edge_url(running)) as account:
            assert account.tenant_id == FIRST_TENANT
            done = self._bar("Computing twice", 3)
            segment_id = compute.create(account, compute.DEFINITION)
            first = compute.measure(running, account, segment_id)
            done(1)
            compute.change(account, first.members // 100)
            done(1)
            again = compute.measure(running, account, segment_id)
            done(1)
            users = compute.members(account, segment_id, CHECKED_USERS)
            done = self._bar("Membership: guarded, unguarded, gRPC", membership.TURNS + 1)
            checks = uvloop.run(membership.measure(running, account, segment_id, users, seconds=size.checks, done=done))
            done = self._bar("Membership, twice its rate", 1)
            too_many = uvloop.run(overload.measure(running, account, users, seconds=size.checks))
            done(1)
            bodies = events.batch_bodies(size.bodies, size.users)
            done = self._bar("Membership beside computes and events", size.checks * busy.CHECKS_A_SECOND)
            # Of another tenant, so that the query by hand still finds what was computed.
            with register(edge_url(running)) as other:
                loads = itertools.cycle(events.batch_requests(bodies, other.key))
                beside = uvloop.run(
                    busy.measure(running, account, segment_id, users, loads, seconds=size.checks, done=done)
                )
        by_hand = compute.by_hand(warehouse, FIRST_TENANT, again)
        done = self._bar("Definitions against queries by hand", len(conditions.QUESTIONS))
        compared = conditions.measure(warehouse, done=done)
        self._report.lines += [
            *lines.of_membership(checks),
            *lines.of_overload(too_many),
            *lines.of_busy(beside),
            *lines.of_compute(first, again, by_hand),
            *lines.of_conditions(compared),
        ]
        self._report.processes["membership through the edge"] = asdict(checks.usage)

    def profiles(self) -> None:
        """Users looked up, over generated events."""
        size = self._size
        home = self._directory / "profiles"
        done = self._bar("Generating events", size.events)
        dataset.generate(home / "warehouse", tenant_id=FIRST_TENANT, events=size.events, users=size.users, done=done)
        loads = events.batch_bodies(size.bodies, size.users)
        with started(home) as running, register(edge_url(running)) as account:
            assert account.tenant_id == FIRST_TENANT
            segment_id = compute.create(account, compute.DEFINITION)
            compute.measure(running, account, segment_id)
            requests = itertools.cycle(events.batch_requests(loads, account.key))
            seconds = size.lookups
            reads = 2 * seconds * len(lines.READ_MS) * profiles.READS_A_SECOND
            done = self._bar("Profiles beside events, and beside heavy queries", reads)
            found = uvloop.run(
                profiles.measure(running, account, segment_id, requests, users=size.users, seconds=seconds, done=done)
            )
        self._report.lines += lines.of_profiles(found)

    def growth(self) -> None:
        """One definition over one, ten and fifty million events."""
        size = self._size
        done = self._bar("Generating more and more events", sum(size.growth))
        self._report.lines += lines.of_growth(growth.measure(self._directory, size.growth, users=size.users, done=done))

    def connectors(self) -> None:
        """The first sync of a large segment."""
        done = self._bar("First syncs to Braze and Klaviyo", 2 * self._size.members)
        syncs = connectors.measure(self._directory / "connectors", self._size.members, done)
        self._report.lines += lines.of_connectors(syncs)

    def _bar(self, title: str, total: float) -> Callable[[int], object]:
        task = self._progress.add_task(title, total=total)
        return lambda count: self._progress.update(task, advance=count)


def main() -> None:
    """Runs the chosen parts in order."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything; results go to .cache")
    parser.add_argument("--directory", type=Path, default=CACHE / "bench", help="for the platforms' data, emptied")
    arguments = parser.parse_args()
    report = Report(quick=arguments.quick)
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shutil.rmtree(arguments.directory, ignore_errors=True)
    try:
        with Progress(*columns, console=console) as progress:
            run = Run(QUICK if arguments.quick else FULL, arguments.directory, progress, report)
            for part in arguments.parts or PARTS:
                getattr(run, part)()
    finally:
        shutil.rmtree(arguments.directory, ignore_errors=True)
    console.print(report.table())
    out = CACHE if arguments.quick or arguments.parts else DOCS
    report.write(out / "benchmarks.json")
    draw(report, out / "benchmarks.svg")


if __name__ == "__main__":
    main()
