"""Tables: mappings say what columns are, rows become events or say why not."""

import io
import json
from collections.abc import Sequence
from typing import Any

import pytest

from cli.events.lines import Lines
from cli.events.mapping import Table, parse_rule
from cli.events.records import Record
from cli.events.tables import read_header
from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb
from services.kit.errors import Invalid

HEADER = b"user_id,event_type,when,amount\n"


def records(content: bytes, *rules: str, delimiter: str = ",") -> Sequence[Record]:
    lines = Lines(io.BufferedReader(io.BytesIO(content)))
    return list(read_header(lines, [parse_rule(rule) for rule in rules], delimiter)(lines))


def event(content: bytes, *rules: str, delimiter: str = ",") -> pb.Event:
    (record,) = records(content, *rules, delimiter=delimiter)
    assert record.event is not None, record.error
    return record.event


def payload(content: bytes, *rules: str) -> Any:
    return json.loads(event(content, *rules).payload_json)


def test_columns_called_like_fields_need_no_mapping() -> None:
    found = event(
        b"payload.a.b,user_id,event_type,occurred_at,message_id,other\nx,u,t,2026-04-25T14:32:00Z,m,o\n",
    )
    assert (found.user_id, found.event_type, found.message_id) == ("u", "t", "m")
    assert found.payload_json == '{"a":{"b":"x"}}'
    assert found.occurred_at.seconds == 1_777_127_520


def test_columns_and_constants_are_mapped() -> None:
    rules = ("user_id=customer", "event_type==order_placed", "payload.total=amount:number", "payload.currency==EUR")
    found = event(b"customer;amount\nc-1;12.50\n", *rules, delimiter=";")
    assert (found.user_id, found.event_type) == ("c-1", "order_placed")
    assert found.payload_json == '{"total":12.5,"currency":"EUR"}'


def test_texts_become_what_the_mapping_says() -> None:
    table = b"user_id,event_type,a,b,c,d\nu,t,007,yes,[1],"
    rules = ("payload.n=a:number", "payload.text=a", "payload.b=b:boolean", "payload.j=c:json", "payload.none=d")
    assert payload(table, *rules) == {"n": 7, "text": "007", "b": True, "j": [1]}
    big = payload(b"user_id,event_type,a\nu,t,12345678901234567890\n", "payload.a=a:number")
    assert big == {"a": 12345678901234567890}


def test_every_other_column_may_become_a_property() -> None:
    table = b"user_id,event_type,x,y z\nu,t,1,2\n"
    assert payload(table, "payload.*=*") == {"x": "1", "y z": "2"}
    assert payload(table, "payload.*=*", "payload.n=x:number") == {"n": 1, "y z": "2"}
    assert Table([], ["user_id", "event_type", "x"]).left_out == ["x"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("", "2026-04-25T16:32:00+02:00"),
        ("", "2026-04-25T14:32:00"),
        (":unix", "1777127520"),
        (":unix_ms", "1777127520000"),
        (":%d.%m.%Y %H:%M:%S", "25.04.2026 14:32:00"),
        (":%d.%m.%Y %H:%M:%S %z", "25.04.2026 16:32:00 +0200"),
    ],
)
def test_times_are_read_as_the_mapping_says(kind: str, text: str) -> None:
    found = event(HEADER + f"u,t,{text},1\n".encode(), f"occurred_at=when{kind}")
    assert found.occurred_at.ToJsonString() == "2026-04-25T14:32:00Z"


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (b"u,t", "Must have as many columns as the header."),
        (b"u,t,1,x", "payload.amount: Must be a number."),
        (b"u,t,1,nan", "payload.amount: Must be a number."),
        (b"u,t,1,1_0", "payload.amount: Must be a number."),
        (b"u,t,soon,1", "occurred_at: Must be the seconds since 1970."),
        (b"u,t,1e300,1", "occurred_at: Must be the seconds since 1970."),
        (b"\xff,t,1,1", "Must be UTF-8 (byte 0)."),
        (b'"u"x,t,1,1', "',' expected after '\"'."),
    ],
)
def test_a_bad_row_is_rejected_alone(row: bytes, error: str) -> None:
    bad, good = records(HEADER + row + b"\nu,t,1,1\n", "payload.amount=amount:number", "occurred_at=when:unix")
    assert (bad.event, bad.error, bad.line, bad.text) == (None, error, 2, row + b"\n")
    assert good.event is not None


def test_a_row_may_span_lines_and_an_open_quote_hides_none() -> None:
    first, second = records(HEADER + b'"u\n1",t,1,"a ""b"""\n\nu,t,2,2\n', "payload.a=amount")
    assert first.event is not None
    assert (first.event.user_id, first.event.payload_json) == ("u\n1", '{"a":"a \\"b\\""}')
    assert (first.line, second.line) == (2, 5)
    (open_quote,) = records(HEADER + b'u,t,1,"a\nu,t,2,2\n')
    assert (open_quote.error, open_quote.text) == ("Unexpected end of data.", b'u,t,1,"a\nu,t,2,2\n')


@pytest.mark.parametrize(
    "rule", ["user_id", "=x", "nonsense=x", "payload.=x", "user_id=x:number", "payload.a=x:unix", "payload.*=x", "a==b"]
)
def test_a_wrong_mapping_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_rule(rule)


def test_a_header_that_does_not_fit_names_all_that_is_wrong() -> None:
    with pytest.raises(Invalid) as raised:
        records(b"a,b\n", "user_id=c", "payload.x=a", "payload.x=b")
    assert raised.value.detail.splitlines()[1:] == [
        "user_id: there is no column 'c' among 'a', 'b'",
        "event_type: no column is mapped to it (columns: 'a', 'b')",
        "payload.x: is mapped twice",
    ]
    with pytest.raises(Invalid):
        records(b"")
