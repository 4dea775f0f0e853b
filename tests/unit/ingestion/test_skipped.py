import json

from services.ingestion import skipped
from services.ingestion.rows import Rows

AT = "2026-04-25 14:32:00.123"


def rows(types: dict[str, int]) -> Rows:
    return Rows(text=b"", count=0, received_at=AT, skipped=types)


def test_skipped_events_are_counted_by_type_in_ascii() -> None:
    text = skipped.header(rows({"order_placed": 2, "": 1, 'é"\\': 3}))
    assert text.isascii()
    assert json.loads(text) == {"at": AT, "types": {"order_placed": 2, "": 1, 'é"\\': 3}}


def test_types_without_room_are_counted_under_the_empty_one() -> None:
    types = {f"{number:03}" + "🜚" * 125: 1 for number in range(500)}
    text = skipped.header(rows(types))
    assert len(text) <= skipped.MAX_CHARACTERS + 100
    counted = json.loads(text)["types"]
    assert sum(counted.values()) == 500
    assert counted[""] == 501 - len(counted)
    assert set(counted) - {""} < set(types)
