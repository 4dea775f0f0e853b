"""Every wrong field of a segment is reported, all at once."""

from datetime import UTC, datetime

import pytest

from services.kit.errors import Invalid
from services.segments.fields import DEFAULTS, changed_fields, time_errors, user_id_errors, whole_segment

TENANT = 7
DEFINITION = {"logic": "AND", "conditions": [{"type": "event_count", "event_type": "e", "operator": "gte", "value": 1}]}


def wrong(sent: dict[str, object]) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as raised:
        whole_segment({"name": "n"} | sent, TENANT)
    return raised.value.fields


def test_what_is_not_sent_gets_its_default() -> None:
    assert whole_segment({"name": "Buyers"}, TENANT) == {"name": "Buyers", **DEFAULTS}


def test_a_change_holds_what_was_sent_only() -> None:
    assert changed_fields({"refresh_minutes": None, "tenant": TENANT}, TENANT) == {"refresh_minutes": None}


def test_every_wrong_field_is_in_one_answer() -> None:
    sent = {
        "name": "",
        "tenant": 8,
        "segment_type": "magic",
        "description": "x" * 2001,
        "definition": {"logic": "XOR"},
        "refresh_minutes": 4,
    }
    assert wrong(sent).keys() == sent.keys()


def test_a_name_is_required() -> None:
    with pytest.raises(Invalid) as raised:
        whole_segment({}, TENANT)
    assert raised.value.fields == {"name": ["This field is required."]}


@pytest.mark.parametrize("name", ["", " \t ", "a\0b", "line\nbreak", "\x7f", "x" * 201])
def test_a_name_is_refused(name: str) -> None:
    assert wrong({"name": name}).keys() == {"name"}


@pytest.mark.parametrize("name", ["x" * 200, "Käufer 🛒", "O'Brien; DROP TABLE", "100 % _"])
def test_a_name_is_taken_as_sent(name: str) -> None:
    assert whole_segment({"name": name}, TENANT)["name"] == name


@pytest.mark.parametrize("value", [5, 10_080, None])
def test_refresh_minutes_are_taken(value: object) -> None:
    assert changed_fields({"refresh_minutes": value}, TENANT) == {"refresh_minutes": value}


@pytest.mark.parametrize("value", [4, 10_081, 0, -5, 5.5, True, "30", [], {}])
def test_refresh_minutes_are_refused(value: object) -> None:
    assert wrong({"refresh_minutes": value}).keys() == {"refresh_minutes"}


def test_the_callers_own_tenant_may_be_sent() -> None:
    assert "tenant" not in whole_segment({"name": "n", "tenant": TENANT}, TENANT)


def test_a_description_may_have_lines_but_no_nul() -> None:
    assert whole_segment({"name": "n", "description": "a\n\tb"}, TENANT)["description"] == "a\n\tb"
    assert wrong({"description": "a\0b"}).keys() == {"description"}


def test_a_definition_may_be_null() -> None:
    assert changed_fields({"definition": None}, TENANT) == {"definition": None}
    assert changed_fields({"definition": DEFINITION}, TENANT) == {"definition": DEFINITION}


@pytest.mark.parametrize("definition", ["text", 1, [], {}, {"logic": "AND", "conditions": []}])
def test_a_definition_is_refused_with_paths(definition: object) -> None:
    assert wrong({"definition": definition})["definition"]


def test_definition_errors_carry_their_path() -> None:
    bad = {"logic": "AND", "conditions": [DEFINITION["conditions"][0], {"type": "event_count", "event_type": "e"}]}
    assert all(text.startswith("conditions[1]") for text in wrong({"definition": bad})["definition"])


@pytest.mark.parametrize("user_id", ["", "x" * 257, "a\0", "a\n"])
def test_a_user_id_is_refused(user_id: str) -> None:
    assert user_id_errors(user_id)


@pytest.mark.parametrize("user_id", ["x" * 256, "a@b.c", "über/1 🛒", " "])
def test_a_user_id_is_taken(user_id: str) -> None:
    assert user_id_errors(user_id) == []


def test_wrong_references_are_in_the_same_answer() -> None:
    with pytest.raises(Invalid) as raised:
        changed_fields({"name": "", "definition": DEFINITION}, TENANT, ["conditions[0].segment_id: wrong"])
    assert raised.value.fields["definition"] == ["conditions[0].segment_id: wrong"]
    assert raised.value.fields.keys() == {"name", "definition"}


@pytest.mark.parametrize("text", ["", "2026-04-25T14:32:00Z", "2026-04-25T16:32:00.5+02:00", "2026-04-25 14:32:00"])
def test_a_time_is_taken(text: str) -> None:
    assert time_errors(text, latest=datetime(2026, 4, 25, 14, 33, tzinfo=UTC)) == []


@pytest.mark.parametrize("text", ["yesterday", "2026-04-25", "2026-02-30T00:00:00Z", "1745591520"])
def test_a_text_that_is_no_time_is_refused(text: str) -> None:
    assert time_errors(text) == ["must be an RFC 3339 time such as 2026-04-25T14:32:00Z"]


def test_a_time_after_the_latest_is_refused() -> None:
    latest = datetime(2026, 4, 25, tzinfo=UTC)
    assert time_errors("2026-04-25T00:00:00Z", latest=latest) == []
    assert time_errors("2026-04-25T00:00:00.001Z", latest=latest) == ["must not lie in the future"]
