"""`python -m tests.bench.scaling`: what three sizes of the platform need, by the figures of `make bench`.

Writes the tables into docs/scaling.md between its markers, and docs/scaling.svg. Nothing is measured here.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.bench.chart import INK, OURS, STYLE

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- computed: {} -->", "<!-- end -->"
SECONDS_A_DAY = 86_400
TB = 1e12

# Assumed, not measured here.
BUSY = 0.6  # of a core, on average: the rest is for peaks and for the loss of a machine
BYTES_ON_DISK = 50  # of an event in a table and what follows from it, compressed; 10 to 50 million events, other run
BYTES_IN_LOG = 230  # of an event in the log: a row of the bench's events
LOADER_CORE = 2_600_000  # events/s that a core of the loader prepares; 380,000 where all have message ids
LOG_DAYS = 7
SCANNED = 2_800_000  # events/s that a core of ClickHouse reads for a definition of seven conditions, other run
CHECKS_A_USER_A_DAY = 2
MEMBERSHIPS, MEMBERSHIP_BYTES = 5, 110  # of a user, and of a membership with its indexes
NODE_CORES, NODE_TB = 32, 12.0  # of a ClickHouse server, three quarters of its disks used


@dataclass(frozen=True, kw_only=True)
class Size:
    """What is asked of a platform."""

    name: str
    events: float  # a second
    users: float
    days: int  # for which events are kept
    replicas: int


SIZES = (
    Size(name="one server", events=5_000, users=1e6, days=400, replicas=1),
    Size(name="small cluster", events=100_000, users=5e7, days=180, replicas=2),
    Size(name="1 M events/s, 1 B users", events=1_000_000, users=1e9, days=90, replicas=2),
)


@dataclass(frozen=True, kw_only=True)
class PerCore:
    """What one core of each part does in a second, as measured."""

    envoy: float
    authz: float
    ingestion: float
    nats: float
    warehouse: float
    one_loader: float
    checks: Mapping[str, float]


def per_core(benchmarks: Mapping[str, object]) -> PerCore:
    """The figures of a run of `make bench`."""
    lines = {(line["part"], line["name"]): line for line in benchmarks["lines"]}  # type: ignore[attr-defined]
    processes = benchmarks["processes"]
    stored = lines["Ingest", "stored, meanwhile"]
    events, cores = lines["Ingest", "accepted for 60 s"]["value"], processes["ingest, steady"]["cores"]  # type: ignore[index]
    checks = lines["Membership", "through the edge"]["value"]
    checking = processes["membership through the edge"]["cores"]  # type: ignore[index]
    return PerCore(
        envoy=events / cores["envoy"],
        authz=events / cores["edge"],
        ingestion=events / cores["ingestion"],
        nats=events / cores["nats-server"],
        warehouse=events / cores["warehouse"],
        one_loader=stored["bound"]["value"],
        checks={name: checks / checking[name] for name in ("envoy", "edge", "segments", "postgres")},
    )


def cells(size: Size, figures: PerCore) -> int:
    """How many event logs, each with one loader, a rate needs."""
    return math.ceil(size.events / (figures.one_loader * BUSY))


def cores(size: Size, figures: PerCore) -> dict[str, float]:
    """Busy cores of each part, without room."""
    checks = size.users * CHECKS_A_USER_A_DAY / SECONDS_A_DAY
    return {
        "Envoy": size.events / figures.envoy + checks / figures.checks["envoy"],
        "authz": size.events / figures.authz + checks / figures.checks["edge"],
        "ingestion": size.events / figures.ingestion,
        "NATS": size.events / figures.nats * size.replicas,
        "loader": size.events / LOADER_CORE,
        "ClickHouse, inserts": size.events / figures.warehouse * size.replicas,
        "segments": checks / figures.checks["segments"],
        "PostgreSQL, checks": checks / figures.checks["postgres"],
    }


def stored(size: Size) -> dict[str, float]:
    """Bytes on disks."""
    return {
        "event log": size.events * SECONDS_A_DAY * LOG_DAYS * BYTES_IN_LOG * (3 if size.replicas > 1 else 1),
        "ClickHouse": size.events * SECONDS_A_DAY * size.days * BYTES_ON_DISK * size.replicas,
        "PostgreSQL, memberships": size.users * MEMBERSHIPS * MEMBERSHIP_BYTES,
    }


def shards(size: Size, figures: PerCore) -> int:
    """How many shards disks and inserts need, whichever needs more."""
    disks = stored(size)["ClickHouse"] / size.replicas / (NODE_TB * TB)
    inserts = size.events / figures.warehouse / BUSY / NODE_CORES
    return math.ceil(max(disks, inserts))


def scan_seconds(size: Size, figures: PerCore, share: float) -> float:
    """How long a definition takes that reads a share of all events, with all cores of one replica of each shard."""
    kept = size.events * SECONDS_A_DAY * size.days
    return kept * share / (SCANNED * NODE_CORES * shards(size, figures))


def tables(figures: PerCore) -> dict[str, str]:
    """The computed parts of the document, by name."""
    return {
        "figures": _figures(figures),
        "cores": _cores(figures),
        "disks": _disks(figures),
        "limits": _limits(figures),
    }


def _figures(figures: PerCore) -> str:
    rows = [
        ("Envoy", f"{figures.envoy:,.0f} events/s", f"{figures.checks['envoy']:,.0f} checks/s"),
        ("authz", f"{figures.authz:,.0f} events/s", f"{figures.checks['edge']:,.0f} checks/s"),
        ("ingestion", f"{figures.ingestion:,.0f} events/s", ""),
        ("NATS", f"{figures.nats:,.0f} events/s", ""),
        ("warehouse with the engine in it", f"{figures.warehouse:,.0f} events/s", ""),
        ("segments", "", f"{figures.checks['segments']:,.0f} checks/s"),
        ("PostgreSQL", "", f"{figures.checks['postgres']:,.0f} checks/s"),
    ]
    return _table(["one core of", "in batches of 500", "membership, one a call"], rows)


def _cores(figures: PerCore) -> str:
    found = [cores(size, figures) for size in SIZES]
    rows = [(part, *(f"{math.ceil(of_size[part] / BUSY):,}" for of_size in found)) for part in found[0]]
    return _table(["cores", *(size.name for size in SIZES)], rows)


def _disks(figures: PerCore) -> str:
    found = [stored(size) for size in SIZES]
    rows = [(f"{part}, TB", *(f"{of_size[part] / TB:,.2f}" for of_size in found)) for part in found[0]]
    network = [size.events * BYTES_IN_LOG * 8 / 1e9 for size in SIZES]
    rows.append(("network into ClickHouse, Gbit/s", *(f"{gbit:,.2f}" for gbit in network)))
    return _table(["", *(size.name for size in SIZES)], rows)


def _limits(figures: PerCore) -> str:
    rows = [
        ("event logs, each with one loader", *(f"{cells(size, figures)}" for size in SIZES)),
        ("ClickHouse shards of 32 cores and 12 TB", *(f"{shards(size, figures):,}" for size in SIZES)),
        ("replicas of each", *(f"{size.replicas}" for size in SIZES)),
        ("definition over every event kept, s", *(f"{scan_seconds(size, figures, 1):,.0f}" for size in SIZES)),
        ("the same over 1 % of them, s", *(f"{scan_seconds(size, figures, 0.01):,.1f}" for size in SIZES)),
    ]
    return _table(["", *(size.name for size in SIZES)], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(document: str, parts: Mapping[str, str]) -> str:
    """The document with its computed parts."""
    for name, text in parts.items():
        before, mark, rest = document.partition(BEGIN.format(name))
        assert mark, f"docs/scaling.md has no place for {name}"
        _, end, after = rest.partition(END)
        document = f"{before}{mark}\n{text}\n{end}{after}"
    return document


def read_figures() -> PerCore:
    """Those of docs/benchmarks.json."""
    return per_core(json.loads((DOCS / "benchmarks.json").read_text()))


def draw(figures: PerCore, path: Path) -> None:
    """The cores that each part needs at a rate, as lines."""
    rates = [10 ** (3 + step / 10) for step in range(31)]
    sizes = [Size(name="", events=rate, users=rate * 1000, days=90, replicas=2) for rate in rates]
    found = [cores(size, figures) for size in sizes]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axis = figure.subplots()
        for number, part in enumerate(found[0]):
            style = "-" if number % 2 else "--"
            axis.plot(rates, [each[part] / BUSY for each in found], style, label=part, linewidth=1.5)
        for number in (1, 2, 4, 7):
            limit = figures.one_loader * BUSY * number
            axis.axvline(limit, color=OURS, linewidth=0.6)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("events/s, with a thousand users each (lines: what 1, 2, 4 and 7 event logs take)")
        axis.set_ylabel("cores, 60 % busy")
        axis.legend(frameon=False, labelcolor=INK, ncols=2, fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    measured = read_figures()
    page = DOCS / "scaling.md"
    page.write_text(filled(page.read_text(), tables(measured)))
    draw(measured, DOCS / "scaling.svg")
