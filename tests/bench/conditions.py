"""Definitions of one, three and seven conditions, beside what somebody who knows the engine would write for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from services.definition import parse
from services.warehouse.compiler import compile_definition
from tests.bench import alone
from tests.bench.alone import Alone
from tests.bench.load import LoadFailed

ROUNDS = 7
SEGMENT_ID, RUN_ID = 900, 1

Json = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Question:
    """A definition and queries by hand that yield the same users; `{now}` stands for the instant, `{days}` for days."""

    name: str
    conditions: Sequence[Json]
    by_hand: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Seconds of the compiled statement and of the best query by hand, medians of runs that took turns."""

    question: Question
    compiled: float
    by_hand: float
    users: int

    @property
    def ratio(self) -> float:
        """How many times as long the compiled statement takes."""
        return self.compiled / self.by_hand


ORDERED = "SELECT user_id FROM events WHERE tenant_id = 1 AND event_type = 'order_placed'"
ADDED = "SELECT user_id FROM events WHERE tenant_id = 1 AND event_type = 'cart_add'"
VIEWED = "SELECT user_id FROM events WHERE tenant_id = 1 AND event_type = 'page_viewed'"
LATEST = "argMax(payload, (occurred_at, received_at, event_id))"
TOTAL = "toFloat64OrNull(JSONExtractString(payload, 'total'))"

LATELY = "occurred_at > {now} - INTERVAL 60 DAY AND occurred_at <= {now}"
COUNT = f"{ORDERED} AND {LATELY} GROUP BY user_id HAVING count() >= 2"
RECENCY = f"{VIEWED} AND occurred_at > {{now}} - INTERVAL 14 DAY GROUP BY user_id"
MONETARY = f"{ORDERED} GROUP BY user_id HAVING sum({TOTAL}) >= 290.005"
PROPERTY = f"{ADDED} GROUP BY user_id HAVING toFloat64OrNull(JSONExtractString({LATEST}, 'price')) > 100"
PLAN = "SELECT user_id FROM user_props FINAL WHERE tenant_id = 1 AND JSONExtractString(payload, 'plan') = 'pro'"
MILLISECONDS = "toUInt64(toUnixTimestamp64Milli(occurred_at))"
FUNNEL = (
    f"windowFunnel(2592000000)({MILLISECONDS}, event_type = 'search_performed', event_type = 'cart_add', "
    "event_type = 'order_placed') = 3"
)
STEPS = "event_type IN ('search_performed', 'cart_add', 'order_placed')"
SEQUENCE = f"SELECT user_id FROM events WHERE tenant_id = 1 AND {STEPS} GROUP BY user_id HAVING {FUNNEL}"
# Of those who did both in order, the history in order: an order right behind an addition.
STRICT = """
SELECT user_id FROM (
  SELECT user_id, arraySort(groupArray((occurred_at, event_type))) AS history FROM events
  WHERE tenant_id = 1 AND user_id IN (
    SELECT user_id FROM events WHERE tenant_id = 1 AND event_type IN ('cart_add', 'order_placed') GROUP BY user_id
    HAVING windowFunnel(604800000)(toUInt64(toUnixTimestamp64Milli(occurred_at)),
      event_type = 'cart_add', event_type = 'order_placed') = 2)
  GROUP BY user_id)
WHERE arrayExists((one, next) -> one.2 = 'cart_add' AND next.2 = 'order_placed' AND next.1 - one.1 <= 604800,
  arrayPopBack(history), arrayPopFront(history))
"""
MEMBER = (
    f"SELECT user_id FROM membership_changes WHERE tenant_id = 1 AND segment_id = {SEGMENT_ID} "
    "GROUP BY user_id HAVING argMax(entered, run_id)"
)

EVENT_COUNT: Json = {
    "type": "event_count", "event_type": "order_placed", "operator": "gte", "value": 2, "window_days": 60,
}  # fmt: skip
RECENT: Json = {"type": "recency", "event_type": "page_viewed", "operator": "lt", "window_days": 14}
SPENT: Json = {
    "type": "monetary", "event_type": "order_placed", "property": "total", "metric": "sum", "operator": "gte",
    "value": 290.005,
}  # fmt: skip
PRICE: Json = {"type": "event_property", "event_type": "cart_add", "property": "price", "operator": "gt", "value": 100}
IS_PRO: Json = {"type": "user_property", "property": "plan", "operator": "eq", "value": "pro"}
WENT: Json = {
    "type": "event_sequence", "events": ["search_performed", "cart_add", "order_placed"], "window_days": 30,
}  # fmt: skip
AT_ONCE: Json = {"type": "event_sequence", "events": ["cart_add", "order_placed"], "window_days": 7, "strict": True}
IS_MEMBER: Json = {"type": "segment_membership", "segment_id": SEGMENT_ID, "operator": "in"}


def _all(*queries: str) -> str:
    return "\nINTERSECT\n".join(f"({query})" for query in queries)


def _masks(count: int, *branches: str) -> str:
    """One pass over each type, a bit for each condition: what the engine answers fastest."""
    union = "\nUNION ALL\n".join(branches)
    everything = 2**count - 1
    return f"SELECT user_id FROM ({union}) GROUP BY user_id HAVING groupBitOr(bits) = {everything}"


def _bits(source: str, **bits: str) -> str:
    flags = " + ".join(f"if({test}, {bit[1:]}, 0)" for bit, test in bits.items())
    return source.replace("SELECT user_id", f"SELECT user_id, {flags} AS bits")


VIEWED_RECENTLY = RECENCY.replace("SELECT user_id", "SELECT user_id, {bit} AS bits")
ONE = (
    Question(name="event_count", conditions=[EVENT_COUNT], by_hand=[COUNT]),
    Question(name="recency", conditions=[RECENT], by_hand=[RECENCY]),
    Question(name="monetary", conditions=[SPENT], by_hand=[MONETARY]),
    Question(name="event_property", conditions=[PRICE], by_hand=[PROPERTY]),
    Question(name="user_property", conditions=[IS_PRO], by_hand=[PLAN]),
    Question(name="event_sequence", conditions=[WENT], by_hand=[SEQUENCE]),
    Question(name="event_sequence, strict", conditions=[AT_ONCE], by_hand=[STRICT]),
    Question(name="segment_membership", conditions=[IS_MEMBER], by_hand=[MEMBER]),
)
COUNTED_AND_SPENT = _bits(
    f"{ORDERED} GROUP BY user_id",
    b1=f"countIf({LATELY}) >= 2",
    b2=f"sum({TOTAL}) >= 290.005",
)
PRO = PLAN.replace("SELECT user_id", "SELECT user_id, {bit} AS bits")
THREE = Question(
    name="three conditions",
    conditions=[RECENT, SPENT, IS_PRO],
    by_hand=[
        _all(MONETARY, PLAN, RECENCY),
        _masks(
            3,
            VIEWED_RECENTLY.replace("{bit}", "1"),
            _bits(f"{ORDERED} GROUP BY user_id", b2=f"sum({TOTAL}) >= 290.005"),
            PRO.replace("{bit}", "4"),
        ),
    ],
)
SEVEN = Question(
    name="seven conditions",
    conditions=[EVENT_COUNT, SPENT, RECENT, PRICE, IS_PRO, WENT, IS_MEMBER],
    by_hand=[
        _all(COUNT, MONETARY, RECENCY, PROPERTY, PLAN, SEQUENCE, MEMBER),
        _masks(
            7,
            COUNTED_AND_SPENT,
            VIEWED_RECENTLY.replace("{bit}", "4"),
            _bits(f"{ADDED} GROUP BY user_id", b8=f"toFloat64OrNull(JSONExtractString({LATEST}, 'price')) > 100"),
            PRO.replace("{bit}", "16"),
            SEQUENCE.replace("SELECT user_id", "SELECT user_id, 32 AS bits"),
            MEMBER.replace("SELECT user_id", "SELECT user_id, 64 AS bits"),
        ),
    ],
)
QUESTIONS = (*ONE, THREE, SEVEN)


def make_members(engine: Alone, most: int) -> None:
    """Makes a fifth of the users, not more than `most`, members of the segment the questions ask for."""
    engine.run(
        alone.command,
        f"INSERT INTO membership_changes SELECT 1, {SEGMENT_ID}, {RUN_ID}, user_id, 1, now64(3, 'UTC') "
        f"FROM (SELECT DISTINCT user_id FROM users WHERE cityHash64(user_id) % 5 = 0) LIMIT {most}",
    )


def compare(engine: Alone, question: Question, now: datetime, rounds: int = ROUNDS) -> Comparison:
    """Times a definition and its queries by hand in turns. Raises LoadFailed if they find different users."""
    group = parse({"logic": "AND", "conditions": list(question.conditions)})
    compiled = compile_definition(group, tenant_id=1, now=now, runs={SEGMENT_ID: RUN_ID}).sql
    instant = f"toDateTime64('{now:%Y-%m-%d %H:%M:%S}', 3, 'UTC')"
    queries = [compiled, *(query.replace("{now}", instant) for query in question.by_hand)]
    found = [engine.run(alone.fingerprint, query) for query in queries]
    if len(set(found)) > 1:
        raise LoadFailed(f"{question.name}: the queries find different users: {found}")
    seconds: list[list[float]] = [[] for _ in queries]
    for _ in range(rounds):
        for query, times in zip(queries, seconds, strict=True):
            times.append(engine.run(alone.query_lines, query)[1])
    ours, *theirs = map(median, seconds)
    return Comparison(question=question, compiled=ours, by_hand=min(theirs), users=found[0][0])


def measure(warehouse: Path, *, rounds: int = ROUNDS, done: Callable[[int], object]) -> list[Comparison]:
    """Compares all questions on a generated warehouse; `done` is told of each."""
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    comparisons = []
    with Alone(warehouse) as engine:
        make_members(engine, 100_000)
        for question in QUESTIONS:
            comparisons.append(compare(engine, question, now, rounds))
            done(1)
    return comparisons
