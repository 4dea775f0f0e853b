"""What is JSON and what it becomes."""

import pytest

from services.ingestion.bodies import LONE_SURROGATE, compact, require_json
from services.kit.errors import Invalid


def test_white_space_goes_and_everything_else_stays() -> None:
    body = ' {\r\n"b" : [1.50, -0E+1 , "a  \\u00e9\\" é" ],\t"a":{} } '.encode()
    assert compact(body) == '{"b":[1.50,-0E+1,"a  \\u00e9\\" é"],"a":{}}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}x",
        b"{}{}",
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":1,}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":"\n"}',
        b'{"a":"\\x41"}',
        b'{"a":"\\u12"}',
        b'{"a":"\\ud800"',
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\x80"}',
        b"\x00",
        b"[" * 200_000,
        b"[" * 5_000 + b"]" * 5_000,
    ],
)
def test_what_cannot_be_read_is_invalid_with_a_sentence(body: bytes) -> None:
    with pytest.raises(Invalid) as raised:
        compact(body)
    assert raised.value.fields == {}
    assert raised.value.detail.endswith(".")


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        (rb'"\ud83d"', 1),
        (rb'"\ude00"', 1),
        (rb'"\ude00\ud83d"', 2),
        (rb'"\ud83d\ud83d\ude00"', 1),
        (rb'"\\ud83d\ud83dx"', 1),
        (rb'"\\\ud83d"', 1),
    ],
)
def test_lone_surrogates_are_marked(text: bytes, marks: int) -> None:
    assert compact(text).count(LONE_SURROGATE) == marks


@pytest.mark.parametrize("text", [rb'"\ud83d\ude00"', rb'"\\ud83d"', rb'"\uD83D\uDE00\u0000"'])
def test_pairs_and_escaped_backslashes_are_not(text: bytes) -> None:
    assert compact(text) == text


@pytest.mark.parametrize("sent", ["", "application/json", "Application/JSON; charset=utf-8"])
def test_json_is_taken(sent: str) -> None:
    require_json(sent)


@pytest.mark.parametrize("sent", ["text/plain", "application/x-www-form-urlencoded", "application/jsonl"])
def test_other_content_is_refused(sent: str) -> None:
    with pytest.raises(Invalid):
        require_json(sent)
