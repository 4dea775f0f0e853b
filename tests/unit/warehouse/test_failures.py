import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from services.kit.errors import Failure, Invalid, Unavailable
from services.warehouse.failures import is_broken, is_unreadable, told_to_callers

# Messages of the embedded engine, shortened.
MARKS = "Code: 33. DB::Exception: Cannot read all marks from file /w/all_1_3_1/skp_idx.cmrk4: While executing MergeTree"
BROKEN = [
    DatabaseError(f"{MARKS}Select(pool: ReadPoolInOrder, algorithm: InOrder). (CANNOT_READ_ALL_DATA)", code=33),
    DatabaseError("Code: 33. DB::Exception: Cannot read all data. Bytes read: 0. Bytes expected: 1.", code=33),
    DatabaseError("Code: 32. DB::Exception: Attempt to read after eof: While executing MergeTreeSelect", code=32),
    DatabaseError("Code: 246. DB::Exception: Empty marks file '/w/all_1_3_1/data.cmrk4'", code=246),
    DatabaseError("Code: 60. DB::Exception: Table default.events does not exist", code=60),
]
PARSED = 'Cannot read all data: (at row 1)\nColumn 1, user_id, parsed text: "While executing MergeTreeSelect"'
UNREADABLE = [
    DatabaseError(f"Code: 33. DB::Exception: {PARSED}: While executing TabSeparatedRowInputFormat", code=33),
    DatabaseError("Code: 33. DB::Exception: Cannot read all data: (at row 1)", code=33),
    DatabaseError("Code: 32. DB::Exception: Attempt to read after eof", code=32),
    DatabaseError('Code: 27. DB::Exception: Cannot parse input: "While executing MergeTreeSelect"', code=27),
]


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (DatabaseError("Code: 241. DB::Exception: Query memory limit: SELECT secret", code=241), Invalid, "memory"),
        (DatabaseError("Code: 241. DB::Exception: (total) memory limit", code=241), Unavailable, "unavailable"),
        (DatabaseError("Code: 159. DB::Exception", code=159), Unavailable, "in time"),
        (DatabaseError("Code: 394. DB::Exception", code=394), Unavailable, "unavailable"),
        (OperationalError("connection to 10.0.0.1 refused"), Unavailable, "unavailable"),
        *((error, Unavailable, "unavailable") for error in BROKEN),
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


@pytest.mark.parametrize("error", BROKEN)
def test_what_is_stored_and_cannot_be_read_is_not_the_fault_of_rows_that_come_in(error: DatabaseError) -> None:
    assert is_broken(error)
    assert not is_unreadable(error)


@pytest.mark.parametrize("error", UNREADABLE)
def test_rows_that_come_in_cannot_say_that_what_is_stored_is_broken(error: DatabaseError) -> None:
    assert is_unreadable(error)
    assert not is_broken(error)
