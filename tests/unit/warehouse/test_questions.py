"""How questions about a person become statements."""

from datetime import UTC, datetime

from services.definition import Condition, leaves, parse
from services.warehouse.compiler.conditions import Moment
from services.warehouse.compiler.questions import MOST_CHARACTERS, Questions
from services.warehouse.compiler.sources import Scope
from services.warehouse.compiler.truths import Truths

AT = Moment.at(datetime(2026, 3, 1, tzinfo=UTC), past=False, runs={})
SCOPE = Scope(tenant_id=7, user_ids=("it's", "me"))


def conditions(*raw: dict[str, object]) -> list[Condition]:
    return [condition for _, condition in leaves(parse({"logic": "AND", "conditions": list(raw)}))]


def spent(value: object, **keys: object) -> dict[str, object]:
    condition = {"type": "monetary", "event_type": "order", "property": "total", "metric": "sum", "operator": "gte"}
    return {**condition, "value": value, **keys}


def statements(*raw: dict[str, object]) -> list[str]:
    return Questions(Truths(conditions(*raw), AT).questions(), SCOPE).statements()


def test_every_source_is_read_once_and_every_aggregate_made_once() -> None:
    (statement,) = statements(*(spent(value) for value in range(40)))
    assert statement.count("FROM events") == 1
    # Small and large numbers add up by themselves.
    assert statement.count("sum(") == 4


def test_only_rows_of_the_persons_ids_in_the_tenant_are_read() -> None:
    (statement,) = statements(spent(1), {"type": "user_property", "property": "p", "operator": "is_set"})
    reads = statement.count("FROM events") + statement.count("FROM users") + statement.count("FROM user_props")
    assert statement.count("tenant_id = 7") == statement.count(r"user_id IN ('it\'s', 'me')") == reads == 3


def test_equal_conditions_are_one_question_and_true_is_not_1() -> None:
    prop: dict[str, object] = {"type": "user_property", "property": "p", "operator": "eq"}
    asked = conditions(prop | {"value": 1}, prop | {"value": True}, prop | {"value": 1.0})
    assert len(Truths(asked, AT).questions()) == 2


def test_what_would_be_too_long_for_one_statement_becomes_several() -> None:
    many = [spent(value, property=f"{'long' * 40}{value}", metric="avg") for value in range(50)]
    made = statements(*many)
    assert len(made) > 1
    assert max(map(len, made)) < 1.5 * MOST_CHARACTERS
