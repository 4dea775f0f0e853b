"""Bytes are cut into chunks of whole lines, none too long."""

from collections.abc import AsyncIterator
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.kit.lines import whole_lines

LINES = st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=30)


async def parted(whole: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(whole), size):
        yield whole[start : start + size]


@given(LINES, st.integers(min_value=1, max_value=40), st.integers(min_value=10, max_value=40))
async def test_chunks_are_whole_lines_in_order_and_not_too_long(lines: list[bytes], size: int, most: int) -> None:
    whole = b"".join(lines)
    chunks = [chunk async for chunk in whole_lines(parted(whole, size), most)]
    assert b"".join(chunks) == whole
    assert all(chunk.endswith(b"\n") and len(chunk) <= most for chunk in chunks)
    for chunk, following in pairwise(chunks):
        assert len(chunk) + following.index(b"\n") + 1 > most
