"""Each call of Segment's tracking API is one event, judged as every event is."""

import json
from datetime import UTC, datetime

import pytest

from services.ingestion.batches import Refused
from services.ingestion.bodies import compact
from services.ingestion.events import Event, parse_event
from services.ingestion.tracking_calls import KINDS, as_sent, read_call
from services.ingestion.tracking_links import link_in
from services.kit.errors import Invalid

NOW = datetime(2026, 4, 25, tzinfo=UTC)
USER = {"userId": "u1", "messageId": "m1", "timestamp": "2026-04-24T12:00:00.123Z"}


def event_of(call: object, kind: str = "") -> Event:
    """The event as it is stored."""
    read = read_call(compact(json.dumps(call).encode()), kind, 0, NOW)
    assert isinstance(read, bytes)
    return parse_event(read, NOW)


def refused(call: object, kind: str = "") -> Refused:
    read = read_call(compact(json.dumps(call).encode()), kind, 3, NOW)
    assert isinstance(read, Refused)
    return read


def payload_of(call: object) -> object:
    return json.loads(event_of(call).payload)


def test_track() -> None:
    event = event_of({**USER, "type": "track", "event": "Order Completed", "properties": {"total": 5}})
    assert event == Event("u1", "Order Completed", "2026-04-24 12:00:00.123", '{"total":5}', "", "m1")


def test_identify_replaces_the_properties_by_the_traits_alone() -> None:
    event = event_of({**USER, "type": "identify", "traits": {"plan": "pro"}, "context": {"ip": "1.2.3.4"}})
    assert (event.event_type, event.payload) == ("context_identified", '{"plan":"pro"}')


def test_identify_finds_the_traits_in_the_context() -> None:
    assert payload_of({**USER, "type": "identify", "context": {"traits": {"plan": "pro"}}}) == {"plan": "pro"}
    assert payload_of({**USER, "type": "identify", "context": {"traits": {"a": 1}}, "traits": {"b": 2}}) == {"b": 2}


@pytest.mark.parametrize(("kind", "event_type"), [("page", "page_viewed"), ("screen", "screen_viewed")])
def test_page_and_screen(kind: str, event_type: str) -> None:
    call = {**USER, "type": kind, "name": "Home", "category": "Docs", "properties": {"url": "/", "name": "Start"}}
    event = event_of(call)
    assert event.event_type == event_type
    assert json.loads(event.payload) == {"url": "/", "name": "Start", "category": "Docs"}


def test_group() -> None:
    event = event_of({**USER, "type": "group", "groupId": 42, "traits": {"name": "Initech"}})
    assert (event.event_type, json.loads(event.payload)) == (
        "group_joined",
        {"group_id": "42", "traits": {"name": "Initech"}},
    )


def test_alias() -> None:
    event = event_of({**USER, "type": "alias", "previousId": "old", "context": {"ip": "1.2.3.4"}})
    assert (event.user_id, event.event_type, event.payload) == ("u1", "user_aliased", '{"previous_id":"old"}')


@pytest.mark.parametrize("kind", ["track", "page", "screen", "group"])
def test_a_context_is_kept_where_the_call_has_none_of_its_own(kind: str) -> None:
    call = {**USER, "type": kind, "event": "e", "groupId": "g", "context": {"ip": "1.2.3.4"}}
    assert json.loads(event_of(call).payload)["context"] == {"ip": "1.2.3.4"}
    assert "context" not in json.loads(event_of({**call, "context": {}}).payload)


def test_properties_called_context_stay() -> None:
    call = {**USER, "type": "track", "event": "e", "properties": {"context": "mine"}, "context": {"ip": "1.2.3.4"}}
    assert payload_of(call) == {"context": "mine"}


def test_numbers_keep_their_text() -> None:
    call = b'{"userId":"u1","event":"e","properties":{"id":12345678901234567890,"x":1.10},"context":{"a":1}}'
    read = read_call(call, "track", 0, NOW)
    assert isinstance(read, bytes)
    assert parse_event(read, NOW).payload == '{"context":{"a":1},"id":12345678901234567890,"x":1.10}'


@pytest.mark.parametrize(
    ("ids", "user_id", "anonymous_id"),
    [
        ({"userId": "u", "anonymousId": "a"}, "u", "a"),
        ({"userId": None, "anonymousId": "a"}, "anon_a", "a"),
        ({"userId": "", "anonymousId": "a"}, "anon_a", "a"),
        ({"anonymousId": 7}, "anon_7", "7"),
        ({"userId": 12345678901234567890}, "12345678901234567890", ""),
    ],
)
def test_whose_a_call_is(ids: dict[str, object], user_id: str, anonymous_id: str) -> None:
    event = event_of({"type": "track", "event": "e", **ids})
    assert (event.user_id, event.anonymous_id) == (user_id, anonymous_id)


@pytest.mark.parametrize("empty", [None, {}, []])
@pytest.mark.parametrize("kind", ["track", "identify", "page", "group"])
def test_what_is_empty_is_an_empty_object(kind: str, empty: object) -> None:
    call = {**USER, "type": kind, "event": "e", "groupId": "g", "properties": empty, "traits": empty, "context": empty}
    assert payload_of(call) == ({"group_id": "g", "traits": {}} if kind == "group" else {})


@pytest.mark.parametrize(
    ("kind", "call", "wrong"),
    [
        ("track", {}, {"userId", "event"}),
        ("track", {"userId": ["u"], "event": 5, "properties": "text", "timestamp": 1, "messageId": {}},
         {"userId", "event", "properties", "timestamp", "messageId"}),
        ("track", {"anonymousId": "a" * 257, "event": "e"}, {"userId", "anonymousId"}),
        ("track", {"userId": {}, "anonymousId": "a", "event": "e"}, {"userId"}),
        ("identify", {"userId": "u", "traits": [1]}, {"traits"}),
        ("identify", {"userId": "u", "context": {"traits": "text"}}, {"traits"}),
        ("page", {"userId": "u", "properties": 5}, {"properties"}),
    ],
)  # fmt: skip
def test_wrong_fields_are_called_what_the_client_calls_them(kind: str, call: object, wrong: set[str]) -> None:
    with pytest.raises(Invalid) as raised:
        event_of(call, kind)
    assert as_sent(raised.value, KINDS[kind]).fields.keys() == wrong


@pytest.mark.parametrize(("kind", "needed"), [("group", "groupId"), ("alias", "previousId")])
def test_what_a_kind_needs_is_told_with_everything_else_that_is_wrong(kind: str, needed: str) -> None:
    for sent in (None, "", [1], {"a": 1}):
        found = refused({needed: sent, "timestamp": "never"}, kind)
        assert found.error.fields.keys() == {needed, "userId", "timestamp"}
        assert found.place == 3


@pytest.mark.parametrize("kind", ["", "Track", "purchase", None, 5, ["track"]])
def test_a_call_of_no_kind_is_refused(kind: object) -> None:
    found = refused({**USER, "type": kind, "event": "e"})
    assert found.error.fields.keys() == {"type"}
    assert json.loads(found.text)["user_id"] == "u1"


@pytest.mark.parametrize("call", [None, 5, "text", [], True])
def test_what_is_no_object_is_refused(call: object) -> None:
    with pytest.raises(Invalid):
        event_of(call)


def linked(call: object, kind: str = "") -> tuple[str, str] | None:
    """Whom a call links to whom."""
    text = compact(json.dumps(call).encode())
    read = read_call(text, kind, 0, NOW)
    assert isinstance(read, bytes)
    return link_in(text, kind, read, NOW)


def test_identify_and_alias_say_which_user_a_visitor_is() -> None:
    both = {"userId": "ann", "anonymousId": "x"}
    assert linked(both, "identify") == ("anon_x", "ann")
    assert linked({**both, "type": "identify"}) == ("anon_x", "ann")
    assert linked({"userId": 7, "previousId": 8, "anonymousId": "x"}, "alias") == ("anon_8", "7")
    assert linked({**both, "anonymousId": "ü" * 251}, "identify") == ("anon_" + "ü" * 251, "ann")


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ({"userId": "ann", "anonymousId": "x", "event": "seen"}, "track"),
        ({"userId": "ann", "anonymousId": "x"}, "page"),
        ({"userId": "ann"}, "identify"),
        ({"anonymousId": "x"}, "identify"),
        ({"userId": "", "anonymousId": "x"}, "identify"),
        ({"anonymousId": "x", "previousId": "y"}, "alias"),
        # No event ever came from such a visitor.
        ({"userId": "ann", "anonymousId": "x" * 252}, "identify"),
        ({"userId": "ann", "previousId": "x\n"}, "alias"),
        ({"userId": "ann", "previousId": "\ud800"}, "alias"),
        # Not taken.
        ({"userId": "ann\n", "anonymousId": "x"}, "identify"),
        ({"userId": "ann", "anonymousId": "x", "traits": 7}, "identify"),
        ({"userId": ["ann"], "anonymousId": "x"}, "identify"),
        ("no call", "identify"),
    ],
)
def test_other_calls_and_what_is_not_taken_link_nobody(call: object, kind: str) -> None:
    assert linked(call, kind) is None
