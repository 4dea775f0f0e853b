from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.warehouse.loading.accounts import Account, not_stored
from services.warehouse.loading.messages import Message

PUBLISHED_AT = datetime(2026, 4, 25, 15, 0, 0, 7, tzinfo=UTC)
TWO, THREE = (datetime(2026, 4, 25, hour, tzinfo=UTC) for hour in (14, 15))
MESSAGE = Message(sequence=1, subject="events.7", published_at=PUBLISHED_AT, read_at=0.0, rows=b"")


def row(event_type: str, received_at: str = "2026-04-25 14:59:59.999") -> bytes:
    return f"7\tu\t{event_type}\t2026-04-20 00:00:00.000\t{received_at}\tid\t{{}}\t\n".encode()


def test_a_message_whose_rows_are_all_stored_has_no_accounts() -> None:
    assert not not_stored(replace(MESSAGE, rows=row("a")))


def test_repeated_rows_are_duplicates_of_their_own_type_and_hour_of_receipt() -> None:
    repeated = (row("a"), row("a"), row("a", "2026-04-25 15:00:00.000"), row("b\\\\é"))
    assert not_stored(replace(MESSAGE, repeated=repeated)) == {
        Account(7, TWO, "a", "duplicate"): 2,
        Account(7, THREE, "a", "duplicate"): 1,
        Account(7, TWO, "b\\é", "duplicate"): 1,
    }


def test_the_header_tells_what_was_skipped() -> None:
    header = '{"at": "2026-04-25 14:59:59.999", "types": {"a": 2, "": 1}}'
    assert not_stored(replace(MESSAGE, skipped=header)) == {
        Account(7, TWO, "a", "skipped"): 2,
        Account(7, TWO, "", "skipped"): 1,
    }


@pytest.mark.parametrize(
    ("rows", "count"), [(b"a\nb\n", 2), (b"a\nb", 2), (b"a", 1), (b"\n", 1), (b"\n\n", 2)], ids=repr
)
def test_rows_that_cannot_be_read_are_skipped_in_the_hour_they_were_written_down(rows: bytes, count: int) -> None:
    message = replace(MESSAGE, rows=rows).without_rows()
    assert message.rows == b""
    assert not_stored(message) == {Account(7, THREE, "", "skipped"): count}


@pytest.mark.parametrize("header", ["{", "[]", '{"at": 1}', '{"at": "", "types": {"a": -1}}', '{"types": {"a": 1}}'])
def test_a_header_that_cannot_be_read_stops_nothing(header: str) -> None:
    assert not not_stored(replace(MESSAGE, skipped=header))


def test_times_and_tenants_that_are_none_stop_nothing() -> None:
    message = replace(MESSAGE, subject="events.x", repeated=(row("a", "yesterday"),))
    assert not_stored(message) == {Account(0, THREE, "a", "duplicate"): 1}
