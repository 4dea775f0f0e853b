"""Five segments a marketer of a record shop would want, at the end of the purchase log in June 1998."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cli.demo.dataset import EVENT_TYPE

Definition = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class DemoSegment:
    """A segment of the demo: its name, what it is for, and its definition."""

    name: str
    purpose: str
    definition: Definition


def demo_segments(now: datetime) -> list[DemoSegment]:
    """The five segments; times in them are whole days before `now`, because that is how the log's days are reached."""
    spring = (now - datetime(1998, 4, 1, tzinfo=UTC)).days
    new_year = (now - datetime(1998, 1, 1, tzinfo=UTC)).days
    return [
        DemoSegment(
            name="Big spenders",
            purpose="invite to the loyalty programme",
            definition=every(spent("sum", "gte", 500)),
        ),
        DemoSegment(
            name="One-time buyers",
            purpose="win the second order",
            definition=every(ordered("eq", 1)),
        ),
        DemoSegment(
            name="Regulars, still here",
            purpose="ask for reviews",
            definition=every(ordered("gte", 5), last_order("lt", spring)),
        ),
        DemoSegment(
            name="Valuable, but gone",
            purpose="send a voucher",
            definition=every(spent("sum", "gte", 200), last_order("gt", new_year)),
        ),
        DemoSegment(
            name="Rising baskets",
            purpose="offer box sets",
            definition=every(
                ordered("gte", 3), some(spent("avg", "gte", 60), spent("max", "gte", 150)), last_order("lt", new_year)
            ),
        ),
    ]


def every(*conditions: Definition) -> Definition:
    """All of the conditions."""
    return {"logic": "AND", "conditions": list(conditions)}


def some(*conditions: Definition) -> Definition:
    """At least one of the conditions."""
    return {"logic": "OR", "conditions": list(conditions)}


def ordered(operator: str, times: int) -> Definition:
    """How often a customer ordered."""
    return {"type": "event_count", "event_type": EVENT_TYPE, "operator": operator, "value": times}


def spent(metric: str, operator: str, dollars: float) -> Definition:
    """What a customer spent, over all orders."""
    return {
        "type": "monetary",
        "event_type": EVENT_TYPE,
        "property": "total",
        "metric": metric,
        "operator": operator,
        "value": dollars,
    }


def last_order(operator: str, days: int) -> Definition:
    """How long ago the last order was."""
    return {"type": "recency", "event_type": EVENT_TYPE, "operator": operator, "window_days": days}
