"""Playing an event through: the outcome over all segments, and no question for an event that is there already."""

from collections.abc import AsyncIterator
from itertools import count, islice

from services.gen.segops.ingestion.v1.checks_pb2 import CheckedEvent
from services.gen.segops.segments.v1.evaluations_pb2 import ReadySegment, ReadySegments, ReferredSegment
from services.gen.segops.warehouse.v1 import explain_pb2 as warehouse_pb2
from services.profiles.sandbox import play

Asked = list[warehouse_pb2.SimulateArrivalRequest]


async def batches(*sizes: int) -> AsyncIterator[ReadySegments]:
    """Lists of so many segments."""
    numbers = count(1)
    for size in sizes:
        yield ReadySegments(segments=[segment(number) for number in islice(numbers, size)])


def segment(number: int) -> ReadySegment:
    referred = [ReferredSegment(id=100 + number, run=number)]
    return ReadySegment(id=number, name=f"Segment {number}", definition=f"of {number}", referred=referred)


async def played(*sizes: int, duplicate: bool = False) -> tuple[Asked, object]:
    """What was asked, and the answer, where the first of each question's segments is entered and the second left."""
    asked: Asked = []

    async def simulate(request: warehouse_pb2.SimulateArrivalRequest) -> warehouse_pb2.SimulateArrivalResponse:
        asked.append(request)
        return warehouse_pb2.SimulateArrivalResponse(entered=[0], exited=[1] if len(request.definitions) > 1 else [])

    event = CheckedEvent(user_id="u", event_type="bought", payload="{}", duplicate=duplicate)
    result = (await play(batches(*sizes), event, ["u", "anon_1"], simulate)).message()
    assert result.published
    return asked, ([one.id for one in result.entered], [one.id for one in result.exited], result.unchanged_count)


async def test_the_segments_are_asked_about_with_all_ids_of_the_person_and_all_runs() -> None:
    (request,), outcome = await played(3)
    assert list(request.definitions) == ["of 1", "of 2", "of 3"]
    assert dict(request.runs) == {101: 1, 102: 2, 103: 3}
    assert list(request.user_ids) == ["u", "anon_1"]
    assert outcome == ([1], [2], 1)


async def test_the_outcomes_of_several_lists_are_added_up() -> None:
    asked, outcome = await played(3, 1, 2)
    assert [len(request.definitions) for request in asked] == [3, 1, 2]
    assert outcome == ([1, 4, 5], [2, 6], 1)


async def test_nothing_is_asked_without_segments_or_for_an_event_that_is_known() -> None:
    assert await played() == ([], ([], [], 0))
    assert await played(3, 1, duplicate=True) == ([], ([], [], 4))
