"""Answering a stream: some at once, in order, never many, and nothing goes on when nobody listens."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.ingestion.stream import MAX_UNANSWERED, answer_in_order
from services.kit.errors import Unavailable


class Work:
    """Answers numbers with themselves when they are released; counts what was read."""

    def __init__(self, count: int) -> None:
        self.read = 0
        self.cancelled = 0
        self._count = count
        self._released = [asyncio.Event() for _ in range(count)]

    async def requests(self) -> AsyncIterator[int]:
        for number in range(self._count):
            self.read += 1
            yield number

    async def answer(self, number: int) -> int:
        try:
            await self._released[number].wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return number

    def release(self, *numbers: int) -> None:
        for number in numbers:
            self._released[number].set()


async def settled() -> None:
    """Returns when every task that can run has run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_answers_come_in_the_order_of_requests() -> None:
    work = Work(3)
    answers = answer_in_order(work.requests(), work.answer)
    first = asyncio.ensure_future(anext(answers))
    work.release(2, 1)
    await settled()
    assert not first.done()
    work.release(0)
    assert [await first, await anext(answers), await anext(answers)] == [0, 1, 2]
    with pytest.raises(StopAsyncIteration):
        await anext(answers)


async def test_no_more_is_read_than_may_be_unanswered() -> None:
    work = Work(50)
    answers = answer_in_order(work.requests(), work.answer)
    first = asyncio.ensure_future(anext(answers))
    await settled()
    assert work.read == MAX_UNANSWERED
    work.release(*range(50))
    assert [await first, *[number async for number in answers]] == list(range(50))


async def test_a_failure_comes_after_the_answers_before_it() -> None:
    async def answer(number: int) -> int:
        if number == 2:
            raise Unavailable
        return number

    answers = answer_in_order(Work(6).requests(), answer)
    assert [await anext(answers), await anext(answers)] == [0, 1]
    with pytest.raises(Unavailable):
        await anext(answers)


async def test_a_listener_that_leaves_ends_all_work() -> None:
    work = Work(50)
    answers = answer_in_order(work.requests(), work.answer)
    first = asyncio.ensure_future(anext(answers))
    await settled()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await settled()
    assert work.cancelled == MAX_UNANSWERED
    assert len(asyncio.all_tasks()) == 1


async def test_a_broken_request_stream_is_told() -> None:
    async def requests() -> AsyncIterator[int]:
        yield 1
        raise ConnectionResetError

    async def answer(number: int) -> int:
        return number

    answers = answer_in_order(requests(), answer)
    assert await anext(answers) == 1
    with pytest.raises(ConnectionResetError):
        await anext(answers)


async def test_a_stream_ends_with_its_sender_s_identity() -> None:
    async def requests() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def answer(number: int) -> int:
        return number

    answers = answer_in_order(requests(), answer, seconds=0.05)
    assert await anext(answers) == 1
    with pytest.raises(Unavailable, match="Open another one"):
        await anext(answers)
