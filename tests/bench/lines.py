"""What a run of a part says: which figures, with which goals."""

from collections.abc import Sequence
from itertools import pairwise

from tests.bench.busy import EVENTS_A_SECOND as EVENTS_BESIDE
from tests.bench.busy import Busy
from tests.bench.compute import Compute
from tests.bench.conditions import Comparison
from tests.bench.connectors import Sync
from tests.bench.endurance import Endurance
from tests.bench.growth import Size
from tests.bench.ingest import Ingest
from tests.bench.load import Load, quantile
from tests.bench.membership import Membership
from tests.bench.overload import Overload
from tests.bench.profiles import Profiles
from tests.bench.report import Bound, Line
from tests.bench.trivial import Cost
from tests.bench.usage import Memory

# The goals of the project on two cores, the load generator included.
EVENTS_A_SECOND = 100_000
# Of what the warehouse alone can insert.
RAW_SHARE = 0.5
SINGLES_A_SECOND, SINGLE_MS = 1500, 50
# Above what samples differ by.
GROWTH_MIB = 32
VISIBLE_MS = 1000
CHECKS_A_SECOND, CHECK_MS = 1500, 25
# Of what the same Envoy and service do without authorization and limits.
GUARDED_SHARE = 0.7
COMPUTE_SECONDS, RECOMPUTE_SECONDS = 3, 1.5
# Of the changed members in the second compute.
CHANGED = "1 % changed"
# How many times as long as the best query by hand: one condition, three, seven.
RATIOS = {"three conditions": 1.3, "seven conditions": 1.5}
ONE_RATIO = 1.2
# What is read of a user, and users searched for; a heavy query beside may double it.
READ_MS = {"profile": 80, "events": 80, "segments": 80, "search": 100, "explain": 150}
SENT_A_SECOND, CONNECTORS_MIB = 10_000, 200
WAREHOUSE_MIB = 2048
IDLE_MIB = 1536


def of_memory(idle: Memory) -> list[Line]:
    """All processes after the start."""
    part = "Idle after the start"
    return [
        _less(part, "all processes, resident", sum(idle.resident.values()), "MiB", IDLE_MIB),
        _less(part, "shared pages counted once", sum(idle.proportional.values()), "MiB"),
    ]


def of_ingest(steady: Ingest, most: Ingest, raw_rate: float) -> list[Line]:
    """Batches of 500."""
    part, raw = "Ingest", Bound(name="raw insert", value=raw_rate)
    return [
        _more(part, f"accepted for {steady.load.seconds:.0f} s", steady.accepted_rate, "events/s", EVENTS_A_SECOND),
        _more(part, "stored, meanwhile", steady.stored_rate, "events/s", EVENTS_A_SECOND, raw),
        _more(part, "stored, share of a raw insert", steady.stored_rate / raw_rate, "", RAW_SHARE),
        *_latencies(part, "answered", steady.load.latencies),
        *_latencies(part, "visible after the answer", steady.lags, VISIBLE_MS),
        _more(part, f"accepted at most, for {most.load.seconds:.0f} s", most.accepted_rate, "events/s"),
        _more(part, "stored, at most", most.stored_rate, "events/s", None, raw),
    ]


def of_singles(paced: Load, most: Load) -> list[Line]:
    """Single events."""
    part = "Single events"
    return [
        _more(part, f"answered for {paced.seconds:.0f} s", paced.rate, "requests/s", SINGLES_A_SECOND),
        *_latencies(part, "answered", paced.latencies, SINGLE_MS),
        _more(part, f"answered at most, for {most.seconds:.0f} s", most.rate, "requests/s"),
    ]


def of_endurance(endurance: Endurance) -> list[Line]:
    """The memory of each process over a long load."""
    load = endurance.ingest
    part = f"Memory over {load.load.seconds:.0f} s of {load.accepted_rate:,.0f} events/s"
    return [
        _less(part, f"{program}, later half against the earlier", mib, "MiB more", GROWTH_MIB)
        for program, mib in endurance.growth().items()
    ]


def of_membership(found: Membership) -> list[Line]:
    """Checks of single users."""
    part, unguarded = "Membership", Bound(name="without authorization and limits", value=found.unguarded.rate)
    return [
        _more(part, "through the edge", found.edge.rate, "requests/s", CHECKS_A_SECOND, unguarded),
        _more(
            part,
            "of the rate without authorization and limits",
            found.edge.rate / found.unguarded.rate,
            "",
            GUARDED_SHARE,
        ),
        *_latencies(part, "through the edge", found.edge.latencies, CHECK_MS),
        _more(part, "straight over gRPC", found.grpc.rate, "requests/s"),
        *_latencies(part, "straight over gRPC", found.grpc.latencies),
    ]


def of_overload(found: Overload) -> list[Line]:
    """Checks at twice the rate that can be answered."""
    part, before = "Membership, offered twice its rate", Bound(name="before", value=found.before.rate)
    return [
        _more(part, "answered", found.during.rate, "requests/s", None, before),
        _less(part, "refused with 503", found.shed / found.during.seconds, "requests/s"),
        *_latencies(part, "answered", found.during.latencies),
        _more(part, "answered afterwards", found.after.rate, "requests/s", None, before),
    ]


def of_compute(first: Compute, again: Compute, by_hand: float) -> list[Line]:
    """The first compute, in which everybody enters, and the next, in which one in a hundred does."""
    bound = Bound(name="query by hand", value=by_hand)
    lines = []
    for name, compute, goal in (("first", first, COMPUTE_SECONDS), (f"again, {CHANGED}", again, RECOMPUTE_SECONDS)):
        part = f"Compute, {name}: {compute.members:,} members"
        lines += [
            _less(part, "request to computed", compute.seconds, "s", goal, bound),
            _less(part, "of that: waiting for its job", compute.queued, "s"),
        ]
        if compute.streamed and compute.written:
            lines.append(_less(part, "of that: query and copy", compute.streamed, "s"))
            lines.append(_less(part, "of that: changing the membership", compute.written, "s"))
    return lines


def of_conditions(comparisons: Sequence[Comparison]) -> list[Line]:
    """Compiled definitions beside what somebody who knows the engine would write."""
    lines = []
    for comparison in comparisons:
        part, name = "Definitions, compiled against by hand", comparison.question.name
        lines += [
            _less(part, name, comparison.ratio, "times as long", RATIOS.get(name, ONE_RATIO)),
            _less(part, f"{name}, compiled", comparison.compiled * 1000, "ms"),
            _less(part, f"{name}, by hand", comparison.by_hand * 1000, "ms"),
        ]
    return lines


def of_busy(busy: Busy) -> list[Line]:
    """Checks beside computes and events."""
    part = f"Membership during {busy.computes} computes and {EVENTS_BESIDE:,} events/s"
    return _latencies(part, "through the edge", busy.checks.latencies, CHECK_MS)


def of_profiles(found: Profiles) -> list[Line]:
    """Users looked up, beside events alone and beside heavy queries as well."""
    lines = []
    for kind, goal in READ_MS.items():
        part = f"Profiles: {kind}"
        alone = _latencies(part, "beside events", found.beside_events[kind].latencies, goal, percentile=95)
        bound = Bound(name="without the query", value=alone[-1].value)
        busy = found.beside_queries[kind].latencies
        lines += alone + _latencies(part, "and a heavy query", busy, 2 * goal, percentile=95, bound=bound)
    return lines


def of_connectors(syncs: Sequence[Sync]) -> list[Line]:
    """First syncs of a segment to stand-ins."""
    lines = []
    for sync in syncs:
        part = f"Connectors, first sync: {sync.users:,} members"
        lines += [
            _more(part, f"to a stand-in of {sync.vendor}", sync.users / sync.seconds, "users/s", SENT_A_SECOND),
            _less(part, f"{sync.vendor}, process at most", sync.peak_mib, "MiB", CONNECTORS_MIB),
        ]
    return lines


def of_growth(sizes: Sequence[Size]) -> list[Line]:
    """One definition over more and more events of the same users."""
    part = "Growth, six conditions"
    lines = []
    for size in sizes:
        lines.append(_less(part, f"{size.events:,} events", size.seconds, "s"))
        lines.append(_less(part, f"{size.events:,} events, warehouse at most", size.peak_mib, "MiB", WAREHOUSE_MIB))
    for smaller, larger in pairwise(sizes):
        factor = larger.events / smaller.events
        name = f"per event, {larger.events:,} against {smaller.events:,}"
        lines.append(_less(part, name, larger.seconds / smaller.seconds / factor, "times as long", 1))
    return lines


def of_generator(batch: Cost, check: Cost) -> list[Line]:
    """What the load generator takes of a core, against a server that does nothing."""
    part = "Load generator alone"
    return [
        _less(part, "a batch", batch.core_seconds * 1e6, "µs of a core"),
        _less(part, "a check", check.core_seconds * 1e6, "µs of a core"),
        _more(part, "batches", batch.most_a_second, "requests/s"),
        _more(part, "checks", check.most_a_second, "requests/s"),
    ]


def _more(part: str, name: str, value: float, unit: str, goal: float | None = None, bound: Bound | None = None) -> Line:
    return Line(part=part, name=name, value=value, unit=unit, goal=goal, bound=bound)


def _less(part: str, name: str, value: float, unit: str, goal: float | None = None, bound: Bound | None = None) -> Line:
    return Line(part=part, name=name, value=value, unit=unit, less_is_better=True, goal=goal, bound=bound)


def _latencies(
    part: str,
    name: str,
    seconds: Sequence[float],
    goal: float | None = None,
    *,
    percentile: int = 99,
    bound: Bound | None = None,
) -> list[Line]:
    median, most = (quantile(seconds, place) * 1000 for place in (50, percentile))
    return [_less(part, f"{name}, p50", median, "ms"), _less(part, f"{name}, p{percentile}", most, "ms", goal, bound)]
