"""Values come back from the warehouse as they went into the statement, however hostile."""

from decimal import ROUND_DOWN, Decimal, localcontext

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.definition.values import LARGEST_NUMBER, number
from services.warehouse.compiler import literals
from tests.integration.compiler.warehouse import Warehouse

HOSTILE = "'\\\"`\0\n\r\t\b\v\f\x1c\x1e;--/*{x:String}%(x)s%s$1 \u2028\u2029\x85😀é\\'"


def _value(warehouse: Warehouse, expression: str) -> object:
    return warehouse.client.query(f"SELECT {expression}").result_rows[0][0]


@settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.one_of(st.text(), st.text(HOSTILE)), min_size=1, max_size=20))
@example([HOSTILE, "' OR 1=1 --", "\\", "'", "\\'", "\0", "x' UNION ALL SELECT user_id FROM users --", "{x:String}"])
def test_text_stays_text(warehouse: Warehouse, values: list[str]) -> None:
    listed = f"[{', '.join(map(literals.text, values))}]"
    assert listed.splitlines() == [listed]
    assert list(_value(warehouse, listed)) == values  # type: ignore[call-overload]


@settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.one_of(st.integers(-LARGEST_NUMBER, LARGEST_NUMBER), st.floats(-LARGEST_NUMBER, LARGEST_NUMBER)).map(number))
@example(0.1)
@example(1e-7)
@example(-5e-324)
def test_numbers_are_exact_in_every_form(warehouse: Warehouse, value: float) -> None:
    assert _value(warehouse, f"toFloat64({literals.number(value)})") == value
    with localcontext(prec=76):
        cut = Decimal(repr(value)).quantize(Decimal("1e-18"), ROUND_DOWN)
    assert _value(warehouse, literals.decimal(value)) == cut
    document = literals.text(f'{{"k":{value!r}}}')
    assert _value(warehouse, f"JSONExtractString({document}, 'k')") == literals.number_text(value)
