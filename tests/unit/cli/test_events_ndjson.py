"""NDJSON becomes events, or says why not."""

import io
from collections.abc import Sequence

import pytest

from cli.events.lines import MAX_LINE_BYTES, Lines
from cli.events.ndjson import read_ndjson
from cli.events.records import Record


def records(content: bytes) -> Sequence[Record]:
    return list(read_ndjson(Lines(io.BufferedReader(io.BytesIO(content)))))


def test_every_key_of_the_contract_arrives_and_others_do_not_matter() -> None:
    (record,) = records(
        b'{"user_id": "u", "event_type": "t", "occurred_at": "2026-04-25T16:32:00.5+02:00", "anonymous_id": "a",'
        b' "payload": {"n": 12345678901234567890, "x": 1.0}, "message_id": "m", "more": [1]}'
    )
    event = record.event
    assert event is not None
    assert (event.user_id, event.event_type, event.anonymous_id, event.message_id) == ("u", "t", "a", "m")
    assert event.payload_json == '{"n": 12345678901234567890, "x": 1.0}'
    assert event.occurred_at.ToJsonString() == "2026-04-25T14:32:00.500Z"


def test_a_naive_time_is_utc_and_nulls_are_absent() -> None:
    (record,) = records(b'{"user_id":"u","event_type":"t","occurred_at":"2026-04-25T14:32:00","payload":null}\n')
    assert record.event is not None
    assert record.event.occurred_at.ToJsonString() == "2026-04-25T14:32:00Z"
    assert record.event.WhichOneof("payload") is None
    (record,) = records(b'{"user_id":null,"occurred_at":null}')
    assert record.event is not None
    assert not record.event.HasField("occurred_at")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"nonsense", "JSON is malformed: invalid character (byte 4)."),
        (b"[]", "Expected `object`, got `array`."),
        (b'{"user_id": 5}', "user_id: Expected `str | null`, got `int`."),
        (b'{"occurred_at": "soon"}', "occurred_at: Invalid RFC3339 encoded datetime."),
        (b'{"user_id": "\xff"}', "Must be UTF-8 (byte 13)."),
        (b'{"payload": {"a": "\xff"}}', "Must be UTF-8 (byte 19)."),
        (b'{"occurred_at": "0001-01-01T00:00:00+10:00"}', "occurred_at: Must be within the years 1 to 9999."),
        (b'{"a": "' + b"x" * MAX_LINE_BYTES + b'"}', "Use 1048576 bytes a line or fewer."),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "The line is nested too deeply."),
    ],
)
def test_a_bad_line_is_rejected_alone(line: bytes, error: str) -> None:
    bad, good = records(line + b'\n\n{"user_id": "u"}')
    assert (bad.event, bad.error, bad.line) == (None, error, 1)
    assert good.event is not None
    assert good.line == 3
