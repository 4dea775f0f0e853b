from collections.abc import Sequence
from uuid import uuid4

import pytest

from services.ingestion import known
from services.ingestion.known import KnownEvents
from services.kit.errors import Forbidden, Unavailable

A, B, C = (str(uuid4()) for _ in range(3))


class Loaded:
    """A warehouse that has loaded some ids, or fails."""

    def __init__(self, *ids: str) -> None:
        self.ids = {bytes.fromhex(each.replace("-", "")) for each in ids}
        self.failure: Exception | None = None
        self.asked: list[int] = []

    async def known(self, event_ids: Sequence[bytes]) -> Sequence[bool]:
        self.asked.append(len(event_ids))
        if self.failure:
            raise self.failure
        return [each in self.ids for each in event_ids]


async def test_ids_that_repeat_another_one_among_them_are_counted() -> None:
    assert await KnownEvents(Loaded()).count([A, A, B, A]) == 2


async def test_ids_that_are_loaded_are_counted_and_so_are_their_repetitions() -> None:
    assert await KnownEvents(Loaded(A)).count([A, B, A]) == 2


async def test_ids_that_were_taken_here_are_known_without_asking() -> None:
    loaded = Loaded()
    events = KnownEvents(loaded)
    events.remember([A, B])
    assert await events.count([A, B]) == 2
    assert loaded.asked == []
    assert await events.count([A, C]) == 1
    assert loaded.asked == [1]


async def test_while_the_warehouse_is_away_what_is_not_remembered_is_new_and_it_is_not_asked_each_time() -> None:
    loaded = Loaded(A)
    loaded.failure = Unavailable()
    events = KnownEvents(loaded)
    events.remember([B])
    assert [await events.count([A, B, C]) for _ in range(3)] == [1, 1, 1]
    assert len(loaded.asked) == 1


async def test_a_caller_whom_the_warehouse_refuses_holds_up_no_other_one() -> None:
    loaded = Loaded(A)
    events = KnownEvents(loaded)
    loaded.failure = Forbidden()
    assert await events.count([A]) == 0
    loaded.failure = None
    assert await events.count([A]) == 1


async def test_memory_is_bounded_and_holds_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MAX_REMEMBERED", 100)
    events = KnownEvents(Loaded())
    ids = [str(uuid4()) for _ in range(1000)]
    for start in range(0, 1000, 10):
        events.remember(ids[start : start + 10])
    assert await events.count(ids[-100:]) == 100
    assert 100 <= await events.count(ids) <= 200
