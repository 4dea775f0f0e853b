"""The segments service as segopsctl asks it: in a tenant's name, under an identity from the identity service."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Value

from cli.segments.definitions import Json, canonical
from cli.segments.scope import Existing
from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.gen.segops.segments.v1 import segments_pb2_grpc
from services.kit.acting import Actor
from services.kit.channel import call, connect
from services.kit.settings import Settings
from services.kit.wire import nullable

PAGE = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """How many users would enter and leave a segment."""

    entering: int
    leaving: int


# By the segment's name.
Effects = Mapping[str, Effect]


class Segments:
    """The segments of one tenant. A failing call raises the failure that was answered."""

    def __init__(self, stub: segments_pb2_grpc.SegmentsServiceStub, actor: Actor, tenant_id: int) -> None:
        self._stub: Any = stub
        self._actor = actor
        self._tenant_id = tenant_id

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings, tenant_id: int) -> AsyncIterator[Self]:
        """A connection for the block."""
        async with connect(settings, "segments") as channel:
            yield cls(segments_pb2_grpc.SegmentsServiceStub(channel), Actor(settings, "segopsctl"), tenant_id)

    async def all(self) -> list[Existing]:
        """Every segment by id."""
        found: list[Existing] = []
        while True:
            request = pb.ListSegmentsRequest(limit=PAGE, offset=len(found))
            page = await self._call(self._stub.ListSegments, request)
            found += map(_existing, page.results)
            if len(found) >= page.count or not page.results:
                return found

    async def preview(self, definition: Json) -> Effect:
        """What computing a new segment would do."""
        request = pb.PreviewSegmentRequest(definition=nullable(definition), limit=1)
        found = await self._call(self._stub.PreviewSegment, request)
        return Effect(entering=found.matched_users, leaving=0)

    async def diff(self, segment_id: int, definition: Json) -> Effect:
        """What computing a segment with another definition would do."""
        request = pb.DiffSegmentRequest(id=segment_id, definition=nullable(definition))
        found = await self._call(self._stub.DiffSegment, request)
        return Effect(entering=found.entering, leaving=found.leaving)

    async def create(self, fields: Mapping[str, object]) -> int:
        """Creates a segment and answers its id."""
        created = await self._call(self._stub.CreateSegment, pb.CreateSegmentRequest(**_sent(fields)))
        return int(created.id)

    async def update(self, segment_id: int, fields: Mapping[str, object]) -> None:
        """Changes these fields."""
        await self._call(self._stub.UpdateSegment, pb.UpdateSegmentRequest(id=segment_id, **_sent(fields)))

    async def delete(self, segment_id: int) -> None:
        """Deletes a segment."""
        await self._call(self._stub.DeleteSegment, pb.DeleteSegmentRequest(id=segment_id))

    async def compute(self, segment_id: int) -> None:
        """Queues a compute."""
        await self._call(self._stub.ComputeSegment, pb.ComputeSegmentRequest(id=segment_id))

    async def _call(self, method: Callable[..., Any], request: object) -> Any:
        # Entered for each call: an identity lasts for minutes, and a person may think about a plan for longer.
        async with self._actor.acting_for(self._tenant_id):
            return await call(method, request)


def _existing(segment: pb.Segment) -> Existing:
    return Existing(
        id=segment.id,
        name=segment.name,
        description=segment.description,
        definition=_plain(segment.definition),
        refresh_minutes=_plain(segment.refresh_minutes),
        is_active=segment.is_active,
    )


def _plain(value: Value) -> Any:
    return canonical(MessageToDict(value))


def _sent(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as a request takes them: those that may be null in a Value."""
    return {
        name: nullable(value) if name in ("definition", "refresh_minutes") else value for name, value in fields.items()
    }
