"""What one more event would change over all active segments. Nothing is stored."""

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from services.gen.segops.ingestion.v1.checks_pb2 import CheckedEvent
from services.gen.segops.profiles.v1 import explain_pb2 as pb
from services.gen.segops.segments.v1.evaluations_pb2 import ReadySegment, ReadySegments
from services.gen.segops.warehouse.v1 import explain_pb2 as warehouse_pb2

Simulate = Callable[[warehouse_pb2.SimulateArrivalRequest], Awaitable[warehouse_pb2.SimulateArrivalResponse]]


@dataclass(kw_only=True, slots=True)
class Outcome:
    """The segments that would be entered and left, and how many there are."""

    entered: list[ReadySegment] = field(default_factory=list)
    exited: list[ReadySegment] = field(default_factory=list)
    count: int = 0

    def message(self) -> pb.SandboxResult:
        """The outcome as it is answered."""
        return pb.SandboxResult(
            published=True,
            entered=[pb.SandboxSegment(id=segment.id, name=segment.name) for segment in self.entered],
            exited=[pb.SandboxSegment(id=segment.id, name=segment.name) for segment in self.exited],
            unchanged_count=self.count - len(self.entered) - len(self.exited),
        )


async def play(
    batches: AsyncIterable[ReadySegments], event: CheckedEvent, user_ids: Sequence[str], simulate: Simulate
) -> Outcome:
    """What an event of a person with these ids would change. An event that is there already changes nothing."""
    outcome = Outcome()
    async for batch in batches:
        segments = batch.segments
        outcome.count += len(segments)
        if event.duplicate:
            continue
        found = await simulate(question(segments, event, user_ids))
        outcome.entered += [segments[place] for place in found.entered]
        outcome.exited += [segments[place] for place in found.exited]
    return outcome


def question(
    segments: Sequence[ReadySegment], event: CheckedEvent, user_ids: Sequence[str]
) -> warehouse_pb2.SimulateArrivalRequest:
    """What to ask the warehouse about some segments."""
    return warehouse_pb2.SimulateArrivalRequest(
        definitions=[segment.definition for segment in segments],
        runs={referred.id: referred.run for segment in segments for referred in segment.referred},
        user_ids=user_ids,
        event=warehouse_pb2.ArrivingEvent(
            event_type=event.event_type, occurred_at=event.occurred_at, payload=event.payload
        ),
    )
