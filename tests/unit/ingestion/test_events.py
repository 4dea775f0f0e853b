"""Every rule of one event."""

import json
from datetime import UTC, datetime

import pytest

from services.ingestion.bodies import compact
from services.ingestion.events import NO_PARTNER, REQUIRED, Event, parse_event, shown
from services.kit.errors import Invalid

NOW = datetime(2026, 4, 25, 14, 32, tzinfo=UTC)

NO_CONTROL = "Control characters are not allowed."
NOT_TEXT = "Must be a string."
NOT_A_TIME = "Must be an RFC 3339 time, such as 2026-04-25T14:32:00Z."
AHEAD = "Must not be more than 24 hours ahead."
BEFORE_1970 = "Must not be before 1970."
TOO_BIG = "Use 32768 bytes of JSON or fewer."
TOO_DEEP = "Use 16 levels or fewer."


def parse(body: str) -> Event:
    return parse_event(compact(body.encode()), NOW)


def with_field(name: str, value: str) -> str:
    fields = {"user_id": '"u"', "event_type": '"t"', name: value}
    return "{" + ",".join(f'"{key}": {text}' for key, text in fields.items()) + "}"


def quoted(character: str, count: int) -> str:
    return json.dumps(character * count, ensure_ascii=False)


def levels(count: int, opening: str = '{"a":', closing: str = "}") -> str:
    return opening * (count - 1) + "{}" + closing * (count - 1)


def test_only_user_and_type_are_needed() -> None:
    assert parse('{"user_id": "u", "event_type": "t"}') == Event(
        user_id="u",
        event_type="t",
        occurred_at="2026-04-25 14:32:00.000",
        payload="{}",
        anonymous_id="",
        message_id="",
    )


def test_every_wrong_field_is_named() -> None:
    with pytest.raises(Invalid) as raised:
        parse('{"event_type": 1, "occurred_at": "now", "payload": [], "anonymous_id": {}, "message_id": true}')
    assert raised.value.fields == {
        "user_id": [REQUIRED],
        "event_type": [NOT_TEXT],
        "occurred_at": [NOT_A_TIME],
        "payload": ["Must be an object."],
        "anonymous_id": [NOT_TEXT],
        "message_id": [NOT_TEXT],
    }


@pytest.mark.parametrize("field", ["occurred_at", "payload", "anonymous_id", "message_id"])
def test_null_in_an_optional_field_counts_as_not_sent(field: str) -> None:
    assert parse(with_field(field, "null")) == parse('{"user_id": "u", "event_type": "t"}')


def test_unknown_keys_are_ignored_whatever_they_hold() -> None:
    assert parse(with_field("extra", '[1e999, "\\ud800", {"user_id": 1}]')) == parse(with_field("user_id", '"u"'))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("user_id", '""', REQUIRED),
        ("user_id", "null", REQUIRED),
        ("user_id", "12", NOT_TEXT),
        ("user_id", quoted("a", 256), None),
        ("user_id", quoted("😀", 256), None),
        ("user_id", quoted("a", 257), "Use 256 characters or fewer."),
        ("user_id", '"a\\u0000"', NO_CONTROL),
        ("user_id", '"a\\n"', NO_CONTROL),
        ("user_id", '"a\x7f"', NO_CONTROL),
        ("user_id", '"a\x80"', NO_CONTROL),
        ("user_id", '"\\u009f"', NO_CONTROL),
        ("user_id", '"a\xa0\u2028"', None),
        ("user_id", '"a\\\\ud800 \\""', None),
        ("user_id", '"\\ud83d"', NO_PARTNER),
        ("user_id", '"\\ude00\\ud83d"', NO_PARTNER),
        ("event_type", '""', REQUIRED),
        ("event_type", quoted("é", 128), None),
        ("event_type", quoted("é", 129), "Use 128 characters or fewer."),
        ("event_type", '"a\\tb"', NO_CONTROL),
        ("event_type", '"\\udfff"', NO_PARTNER),
        ("anonymous_id", '""', None),
        ("anonymous_id", quoted("a", 256), None),
        ("anonymous_id", quoted("a", 257), "Use 256 characters or fewer."),
        ("anonymous_id", '"\\u0085"', NO_CONTROL),
        ("message_id", '""', None),
        ("message_id", quoted("a", 128), None),
        ("message_id", quoted("a", 129), "Use 128 characters or fewer."),
        ("message_id", '"\\r"', NO_CONTROL),
        ("occurred_at", '""', NOT_A_TIME),
        ("occurred_at", "1777127520", NOT_A_TIME),
        ("occurred_at", '"2026-04-25"', NOT_A_TIME),
        ("occurred_at", '"2026-02-30T00:00:00Z"', NOT_A_TIME),
        ("occurred_at", '"0001-01-01T00:00:00+05:00"', NOT_A_TIME),
        ("occurred_at", '"2026-04-26T14:32:00.000Z"', None),
        ("occurred_at", '"2026-04-26T14:32:00.001Z"', AHEAD),
        ("occurred_at", '"9999-12-31T23:59:59Z"', AHEAD),
        ("occurred_at", '"1970-01-01T00:00:00Z"', None),
        ("occurred_at", '"1970-01-01T01:00:00+02:00"', BEFORE_1970),
        ("occurred_at", '"0999-12-31T23:59:59Z"', BEFORE_1970),
        ("payload", '"{}"', "Must be an object."),
        ("payload", "[]", "Must be an object."),
        ("payload", "0", "Must be an object."),
        ("payload", levels(16), None),
        ("payload", levels(17), TOO_DEEP),
        ("payload", '{"a":' + levels(16, "[", "]") + "}", TOO_DEEP),
        ("payload", '{"a": "' + "{[" * 40 + '", "b": [{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}]}', None),
        ("payload", '{"a": ' + quoted("a", 32_768 - 8) + "}", None),
        ("payload", '{"a": ' + quoted("a", 32_768 - 7) + "}", TOO_BIG),
        ("payload", '{"a": ' + quoted("é", 16_381) + "}", TOO_BIG),
        ("payload", '{"a": "' + "\\u00e9" * 16_380 + '"}', None),
        ("payload", '{"a": "' + "\\u00e9" * 16_381 + '"}', TOO_BIG),
        ("payload", '{"a": "' + "\\ud83d\\ude00" * 8_190 + '"}', None),
        ("payload", '{"a": "' + "\\ud83d\\ude00" * 8_191 + '"}', TOO_BIG),
        ("payload", '{"a": 1e308}', None),
        ("payload", '{"a": 1e400}', "Numbers must fit a double."),
        ("payload", '{"a": [-1E+0309]}', "Numbers must fit a double."),
        ("payload", '{"a": 1' + "0" * 310 + ".5}", "Numbers must fit a double."),
        ("payload", '{"a": 1' + "0" * 9_000 + "}", None),
        ("payload", '{"a": 0e999, "b": 1e-999, "c": "1e999"}', None),
        ("payload", '{"a": "\\u0000", "b": "\\ud83d\\ude00"}', None),
        ("payload", '{"a": "\\ud83d"}', NO_PARTNER),
        ("payload", '{"\\udc00": 1}', NO_PARTNER),
    ],
)
def test_a_field_is_held_to_its_rules(field: str, value: str, message: str | None) -> None:
    if message is None:
        parse(with_field(field, value))
        return
    with pytest.raises(Invalid) as raised:
        parse(with_field(field, value))
    assert raised.value.fields == {field: [message]}


def test_a_payload_with_several_faults_names_them_all() -> None:
    with pytest.raises(Invalid) as raised:
        parse(with_field("payload", '{"n": 1e400, "s": ' + quoted("a", 33_000) + ', "d": ' + levels(16) + "}"))
    assert raised.value.fields == {"payload": [TOO_DEEP, "Numbers must fit a double.", TOO_BIG]}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('{ "b" : 1.0 ,\n\t"a" : [ 1e5 , 10000000000000000000000000001 ] }', None),
        ('{"a": "x  y\\n\\u00e9é\\/", "a": -0}', '{"a":"x  y\\n\\u00e9é\\/","a":-0}'),
    ],
)
def test_a_payload_keeps_its_order_numbers_and_escapes(sent: str, kept: str | None) -> None:
    expected = kept or "".join(sent.split())
    assert parse(with_field("payload", sent)).payload == expected


@pytest.mark.parametrize("text", ["1", '"a"', "[]", "null", "true"])
def test_an_event_is_an_object(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        parse(text)
    assert raised.value.fields == {"event": ["Must be an object."]}
    assert shown(text.encode(), "user_id", 256) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [('"abcdef"', "abc"), ("12345", "123"), ("null", ""), ('"a\\u0000b"', "a\ufffdb"), ('"\\ud800"', "\ufffd")],
)
def test_a_refused_event_can_be_found_by_what_it_said(value: str, expected: str) -> None:
    assert shown(compact(with_field("user_id", value).encode()), "user_id", 3) == expected
