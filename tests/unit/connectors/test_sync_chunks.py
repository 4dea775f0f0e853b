"""How changes are cut into chunks, and what tells chunks apart."""

from collections.abc import AsyncGenerator, Sequence

import pytest

from services.connectors.sync_chunks import chunk_of, cut
from services.connectors.sync_ledger_store import Change

CHANGES: list[Change] = [(user, user in "aeiou") for user in "abcdefghijk"]


async def windows(*sizes: int, first: int = 0) -> AsyncGenerator[Sequence[Change]]:
    start = first
    for size in sizes:
        yield CHANGES[start : start + size]
        start += size


async def pieces(found: AsyncGenerator[Sequence[Change]], most: int) -> list[Sequence[Change]]:
    return [piece async for piece in cut(found, most)]


@pytest.mark.parametrize("sizes", [(11,), (1, 10), (5, 0, 6), (2, 2, 2, 2, 3), (1,) * 11])
@pytest.mark.parametrize("most", [1, 3, 4, 11, 50])
async def test_pieces_are_the_same_whatever_the_windows_are(sizes: Sequence[int], most: int) -> None:
    assert await pieces(windows(*sizes), most) == [CHANGES[i : i + most] for i in range(0, 11, most)]


async def test_pieces_after_a_whole_piece_are_those_that_follow_it() -> None:
    whole = await pieces(windows(11), 3)
    assert await pieces(windows(4, 4, first=3), 3) == whole[1:]


def test_a_chunk_has_the_same_id_whenever_it_is_made() -> None:
    chunk = chunk_of("1/1", CHANGES)
    assert chunk == chunk_of("1/1", list(CHANGES))
    assert (chunk.entered, chunk.exited) == (list("aei"), list("bcdfghjk"))


@pytest.mark.parametrize(
    ("sync", "changes"),
    [
        ("1/2", CHANGES),
        ("2/1", CHANGES),
        ("1/1", CHANGES[1:]),
        ("1/1", [(user, not entered) for user, entered in CHANGES]),
    ],
)
def test_other_chunks_have_other_ids(sync: str, changes: list[Change]) -> None:
    assert chunk_of(sync, changes).id != chunk_of("1/1", CHANGES).id
