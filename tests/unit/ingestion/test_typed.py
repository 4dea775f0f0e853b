"""Typed events are judged as those of a JSON body are, and no text breaks out of its place."""

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb
from services.ingestion.batches import Batch, Refused, parse_events
from services.ingestion.intake import Taken
from services.ingestion.typed import result_of, texts_of
from services.kit.errors import Invalid

NOW = datetime(2026, 4, 25, 14, 32, tzinfo=UTC)


def event(payload_json: str | None = None) -> pb.Event:
    made = pb.Event(user_id="u", event_type="t")
    if payload_json is not None:
        made.payload_json = payload_json
    return made


def parsed(*events: pb.Event) -> Batch:
    return parse_events(texts_of(events), NOW)


def payload(of: pb.Event) -> str:
    return parsed(of).columns.payloads[0]


def refusal(of: pb.Event) -> str:
    (refused,) = parsed(of).refused
    return refused.message


def test_every_field_arrives() -> None:
    sent = pb.Event(
        user_id='ä"\\',
        event_type="order_placed",
        occurred_at=Timestamp(seconds=1_777_127_520, nanos=123_456_789),
        payload_json="{}",
        anonymous_id="a",
        message_id="m",
    )
    columns = parsed(sent).columns
    assert [values[0] for values in columns] == [
        'ä"\\',
        "order_placed",
        "2026-04-25 14:32:00.123",
        "{}",
        "a",
        "m",
    ]


def test_what_was_left_out_has_its_default() -> None:
    columns = parsed(event()).columns
    assert [values[0] for values in columns] == ["u", "t", "2026-04-25 14:32:00.000", "{}", "", ""]


def test_whole_numbers_of_a_struct_stay_whole() -> None:
    sent = event()
    sent.properties.update({"n": 30.0, "f": 1.5, "list": [1, None, {"a": True}], "nan": float("nan")})
    text = payload(sent)
    for part in ('"n":30', '"f":1.5', '"list":[1,null,{"a":true}]', '"nan":null'):
        assert part in text
    assert "30.0" not in text


def test_integers_of_a_text_keep_every_digit() -> None:
    assert payload(event(' {"n" : 12345678901234567890, "a":"\\u00e4"}\n')) == (
        '{"n":12345678901234567890,"a":"\\u00e4"}'
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{}, "user_id": "other"',
        '{}}, {"user_id": "other", "event_type": "t"',
        '{"a": "\x00"}',
        '{"a": "\n"}',
        "[]",
        "1",
        '"{}"',
        "\ufeff{}",
        '{"a":' * 5_000,
    ],
)
def test_a_text_that_is_no_object_refuses_its_event_and_no_other(text: str) -> None:
    batch = parsed(event(text), event("{}"))
    assert [refused.message for refused in batch.refused] == ["payload: Must be an object."]
    assert list(batch.places) == [1]
    assert batch.columns.user_ids[0] == "u"


def test_limits_of_payloads_hold() -> None:
    assert refusal(event('{"a": "\\ud800"}')) == "payload: Surrogates must come in pairs."
    assert refusal(event('{"a":' * 17 + "1" + "}" * 17)) == "payload: Use 16 levels or fewer."
    assert refusal(event('{"a": 1e999}')) == "payload: Numbers must fit a double."
    assert refusal(event('{"a": "' + "x" * 40_000 + '"}')) == "payload: Use 32768 bytes of JSON or fewer."


def test_control_characters_are_refused() -> None:
    assert refusal(pb.Event(user_id="a\tb", event_type="t")) == "user_id: Control characters are not allowed."


def test_a_time_that_no_calendar_has_is_refused() -> None:
    sent = pb.Event(user_id="u", event_type="t", occurred_at=Timestamp(seconds=10**15))
    assert refusal(sent).startswith("occurred_at: Must be an RFC 3339 time")
    sent = pb.Event(user_id="u", event_type="t", occurred_at=Timestamp(seconds=-1))
    assert refusal(sent) == "occurred_at: Must not be before 1970."


@pytest.mark.parametrize("count", [0, 501])
def test_the_batch_is_named_that_has_too_few_or_too_many(count: int) -> None:
    with pytest.raises(Invalid, match=f"Send 1 to 500 events in batch 7, not {count}"):
        texts_of([event()] * count, "batch 7")


def test_the_skipped_are_told_by_their_place_in_order() -> None:
    refused = [Refused(place=place, text=b"", error=Invalid({"user_id": ["No."]})) for place in (4, 1)]
    answer = result_of(Taken(queued=2, duplicate=1, refused=refused))
    assert (answer.queued, answer.duplicate) == (2, 1)
    assert [(item.index, item.error) for item in answer.skipped] == [(1, "user_id: No."), (4, "user_id: No.")]
