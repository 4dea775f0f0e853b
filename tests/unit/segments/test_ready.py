"""Segments that are ready to evaluate come as many at a time as a message takes."""

from collections.abc import AsyncIterator

from services.segments.ready import MOST_CHARACTERS, Ready, batches


async def ready(*sizes: int) -> AsyncIterator[Ready]:
    for number, size in enumerate(sizes):
        yield Ready(id=number, name="", definition="x" * size, referred=())


async def sizes_of(*sizes: int) -> list[list[int]]:
    return [[len(segment.definition) for segment in batch] async for batch in batches(ready(*sizes))]


async def test_all_come_at_once() -> None:
    assert await sizes_of(10, 20, 30) == [[10, 20, 30]]
    assert await sizes_of() == []


async def test_long_definitions_are_spread() -> None:
    most = MOST_CHARACTERS
    assert await sizes_of(10, most - 10, 1, most + 1, 5) == [[10, most - 10], [1], [most + 1], [5]]
