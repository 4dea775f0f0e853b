import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from services.kit.errors import Failure, Invalid, Unavailable
from services.warehouse.failures import is_unreadable, told_to_callers


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (DatabaseError("Code: 241. DB::Exception: Query memory limit: SELECT secret", code=241), Invalid, "memory"),
        (DatabaseError("Code: 241. DB::Exception: (total) memory limit", code=241), Unavailable, "unavailable"),
        (DatabaseError("Code: 159. DB::Exception", code=159), Unavailable, "in time"),
        (DatabaseError("Code: 394. DB::Exception", code=394), Unavailable, "unavailable"),
        (OperationalError("connection to 10.0.0.1 refused"), Unavailable, "unavailable"),
    ],
)
def test_callers_are_told_a_sentence_and_nothing_of_the_driver(
    error: ClickHouseError, kind: type[Failure], says: str
) -> None:
    with pytest.raises(kind) as failure, told_to_callers():
        raise error
    assert says in failure.value.detail
    assert "Code" not in failure.value.detail
    assert "10.0.0.1" not in failure.value.detail


def test_an_error_that_is_our_fault_comes_through_as_it_is() -> None:
    with pytest.raises(DatabaseError), told_to_callers():
        raise DatabaseError("Code: 47. Unknown identifier", code=47)


@pytest.mark.parametrize(
    ("code", "unreadable"), [(27, True), (376, True), (469, True), (241, False), (252, False), (None, False)]
)
def test_only_parsers_and_rules_of_a_table_say_that_rows_cannot_be_read(code: int | None, unreadable: bool) -> None:
    assert is_unreadable(DatabaseError("", code=code)) is unreadable
