"""Batches: whatever way they take, the outcome is that of their events one by one."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.ingestion.batches import Batch, parse_batch
from services.ingestion.bodies import compact
from services.ingestion.events import Event, parse_event
from services.kit.errors import Invalid

NOW = datetime(2026, 4, 25, 14, 32, tzinfo=UTC)
GOOD = '{"user_id":"u","event_type":"t"}'
COUNT = "Send 1 to 500 events."


def parse(body: str) -> Batch:
    return parse_batch(compact(body.encode()), NOW)


def batch_of(*texts: str) -> str:
    return '{"events": [' + ", ".join(texts) + "]}"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("{}", {"events": ["This field is required."]}),
        ('{"events": null}', {"events": ["This field is required."]}),
        ('{"events": {}}', {"events": ["Must be a list."]}),
        ('{"events": "[]"}', {"events": ["Must be a list."]}),
        ('{"events": []}', {"events": [COUNT]}),
        (batch_of(*[GOOD] * 501), {"events": [COUNT]}),
        (batch_of(*["0"] * 100_000), {"events": [COUNT]}),
        ("[]", {}),
        ("1", {}),
        ('"events"', {}),
    ],
)
def test_what_is_no_batch_is_invalid(body: str, fields: dict[str, list[str]]) -> None:
    with pytest.raises(Invalid) as raised:
        parse(body)
    assert raised.value.fields == fields


@pytest.mark.parametrize("count", [1, 500])
def test_up_to_500_events_are_taken(count: int) -> None:
    assert len(parse(batch_of(*[GOOD] * count)).columns.user_ids) == count


@pytest.mark.parametrize(
    "bad",
    [
        "0",
        "null",
        "{}",
        '{"user_id":"a\\n","event_type":"t"}',
        '{"user_id":"\\ud800","event_type":"t"}',
        '{"user_id":"u","event_type":"t","payload":{"a":1e400}}',
        '{"user_id":"u","event_type":"t","payload":{"a":' + "[" * 500 + "]" * 500 + "}}",
        '{"user_id":"u","event_type":"t","occurred_at":"2027-04-25T14:32:00Z"}',
    ],
)
def test_an_invalid_event_does_not_harm_the_others(bad: str) -> None:
    batch = parse(batch_of(GOOD, bad, GOOD))
    assert (len(batch.columns.user_ids), len(batch.refused)) == (2, 1)
    assert batch.refused[0].text == compact(bad.encode())


def test_a_batch_of_invalid_events_is_a_batch() -> None:
    assert len(parse(batch_of("0", "[]")).refused) == 2


def test_an_event_that_looks_dangerous_and_is_not_is_taken() -> None:
    payload = '{"id":"123e4567","big":1e300,"text":"' + "[" * 40 + '","n":' + "9" * 400 + "}"
    batch = parse(batch_of(GOOD, '{"user_id":"u","event_type":"t","payload":' + payload + "}"))
    assert list(batch.columns.payloads) == ["{}", payload]


TEXTS = st.one_of(
    st.text(max_size=5),
    st.sampled_from(["", "u", "a\x00", "\x7f", "\x85", "\\N", "x" * 256, "x" * 257, "x" * 128, "x" * 129]),
)
TIMES = st.sampled_from(
    [
        "2026-04-25T14:32:00Z",
        "2026-04-25T14:32:00.123456+00:00",
        "2026-04-25T14:32:00+02:00",
        "2026-04-26T14:32:00.001Z",
        "1969-12-31T23:59:59Z",
        "yesterday",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {"user_id": TEXTS, "event_type": TEXTS},
    optional={
        "occurred_at": TIMES | st.none(),
        "payload": st.dictionaries(TEXTS, JSON, max_size=3) | JSON,
        "anonymous_id": TEXTS | st.none(),
        "message_id": TEXTS | st.none(),
        "other": JSON,
    },
)


@given(st.lists(EVENTS | JSON, min_size=1, max_size=6), st.booleans())
@example([{"user_id": "u", "event_type": "t", "payload": {"a": [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}}], True)
def test_a_batch_gives_what_its_events_give_one_by_one(events: list[object], ascii_only: bool) -> None:
    texts = [json.dumps(event, ensure_ascii=ascii_only) for event in events]
    taken: list[Event] = []
    refused: list[dict[str, list[str]]] = []
    try:
        compacted = [compact(text.encode()) for text in texts]
    except UnicodeEncodeError:  # a lone surrogate that is not escaped cannot be sent
        return
    for text in compacted:
        try:
            taken.append(parse_event(text, NOW))
        except Invalid as error:
            refused.append(error.fields)
    batch = parse(batch_of(*texts))
    assert sorted(zip(*batch.columns, strict=True)) == sorted(taken)
    assert [item.error.fields for item in batch.refused] == refused


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            b'{"events":[',
            b"]}",
            b'{"user_id":"u","event_type":"t"',
            b',"payload":{',
            b"}",
            b"{",
            b"[",
            b",",
            b'"',
            b"\\",
            b"\\ud800",
            b"1e999",
            b"null",
            b" ",
            b"\xff",
            b"\xc3\xa9",
            b'"a":1',
            b"\x00",
        ]
    )
    | st.binary(max_size=3)
).map(b"".join)


@given(FRAGMENTS | st.binary())
def test_any_body_gives_a_result_or_is_invalid(body: bytes) -> None:
    for parse_text in (parse_batch, parse_event):
        try:
            parse_text(compact(body), NOW)
        except Invalid:
            continue
