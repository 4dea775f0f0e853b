"""Reading lines: numbers and positions are exact, and no line is too much."""

import io

import pytest

from cli.events.lines import MAX_LINE_BYTES, Changed, Lines


def lines(content: bytes) -> Lines:
    return Lines(io.BufferedReader(io.BytesIO(content)))


def test_lines_keep_their_numbers_and_ends() -> None:
    assert [(line.number, line.text) for line in lines(b"a\r\n\nb")] == [(1, b"a\r\n"), (2, b"\n"), (3, b"b")]


def test_a_byte_order_mark_is_no_text_but_counts() -> None:
    content = lines(b"\xef\xbb\xbfa\n\xef\xbb\xbfb")
    assert [line.text for line in content] == [b"a\n", b"\xef\xbb\xbfb"]
    assert content.position.offset == 9


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_that_is_too_long_is_cut_and_the_next_is_whole(end: bytes) -> None:
    content = lines(b"x" * MAX_LINE_BYTES + end + b"y" * (3 * MAX_LINE_BYTES) + b"\nz\n")
    found = [(line.number, len(line.text), line.whole) for line in content]
    if end:
        assert found == [(1, MAX_LINE_BYTES + 1, True), (2, MAX_LINE_BYTES + 1, False), (3, 2, True)]
    else:
        assert found == [(1, MAX_LINE_BYTES + 1, False), (2, 2, True)]


def test_a_position_is_found_again() -> None:
    first = lines(b"a\nb\nc\n")
    next(first)
    next(first)
    again = lines(b"a\nb\nc\nmore\n")
    again.skip_to(first.position)
    assert [(line.number, line.text) for line in again] == [(3, b"c\n"), (4, b"more\n")]


@pytest.mark.parametrize("content", [b"a\nB\nc\n", b"a\n", b""])
def test_what_changed_before_a_position_is_noticed(content: bytes) -> None:
    first = lines(b"a\nb\nc\n")
    next(first)
    next(first)
    with pytest.raises(Changed):
        lines(content).skip_to(first.position)
