"""The encoding of rows."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.rows import Columns, derived_id, encode, random_ids


def columns(**changes: str) -> Columns:
    fields = {
        "user_ids": "u",
        "event_types": "t",
        "occurred_at": "2026-04-25 14:32:00.000",
        "payloads": "{}",
        "anonymous_ids": "",
        "message_ids": "",
    }
    return Columns(**{name: [value] for name, value in (fields | changes).items()})


def test_a_row_has_the_columns_in_the_agreed_order() -> None:
    rows = encode(7, "2026-04-25 15:00:00.000", columns(anonymous_ids="a"), {"t": 1})
    cells = rows.text.decode().removesuffix("\n").split("\t")
    UUID(cells.pop(5))
    assert cells == ["7", "u", "t", "2026-04-25 14:32:00.000", "2026-04-25 15:00:00.000", "{}", "a"]
    assert (rows.count, rows.derived_ids, rows.skipped) == (1, [], {"t": 1})


def test_backslashes_are_doubled_in_every_text() -> None:
    rows = encode(
        1, "", columns(user_ids="\\N", event_types="a\\t", payloads='{"a":"\\n\\\\"}', anonymous_ids="\\"), {}
    )
    cells = rows.text.removesuffix(b"\n").split(b"\t")
    assert (cells[1], cells[2], cells[6], cells[7]) == (b"\\\\N", b"a\\\\t", b'{"a":"\\\\n\\\\\\\\"}', b"\\\\")


def test_a_message_id_gives_its_event_the_same_id_each_time() -> None:
    first, second = (encode(1, "", columns(message_ids="m"), {}) for _ in range(2))
    assert first.text == second.text
    assert first.derived_ids == [derived_id(1, "m")]
    assert derived_id(1, "m") != derived_id(2, "m")


@given(st.integers(1, 2**31 - 1), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_derived_id_is_the_standard_version_5(tenant_id: int, message_id: str) -> None:
    assert derived_id(tenant_id, message_id) == str(uuid5(UUID(int=tenant_id), message_id))


def test_random_ids_are_version_4_and_all_different() -> None:
    ids = [UUID(text) for text in random_ids(1000)]
    assert len(set(ids)) == 1000
    assert {(item.version, item.variant) for item in ids} == {(4, "specified in RFC 4122")}
    assert random_ids(0) == []
