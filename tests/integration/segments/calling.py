"""Calling the segments service for a tenant."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import grpc

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.gen.segops.segments.v1 import segments_pb2_grpc
from services.kit.caller import Caller, Request, mint, serving
from services.kit.channel import call, stream
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.settings import Settings
from services.kit.wire import nullable

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.02

T = TypeVar("T")


async def until(condition: Callable[[], Awaitable[T | None]], seconds: float = WAIT_SECONDS) -> T:
    """The first true value of `condition`. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            if value := await condition():
                return value
            await asyncio.sleep(POLL_SECONDS)


def at_least(event_type: str, times: int = 1) -> dict[str, object]:
    """The definition: users who did an event so often."""
    condition = {"type": "event_count", "event_type": event_type, "operator": "gte", "value": times}
    return {"logic": "AND", "conditions": [condition]}


def member_of(segment_id: int, operator: str = "in") -> dict[str, object]:
    """The definition: users who are, or are not, in another segment."""
    condition = {"type": "segment_membership", "segment_id": segment_id, "operator": operator}
    return {"logic": "AND", "conditions": [condition]}


class Tenant:
    """A tenant and one of its people, who calls. A failing call raises the failure that was answered."""

    def __init__(self, settings: Settings, channel: grpc.aio.Channel, tenant_id: int, role: str = "owner") -> None:
        self.id = tenant_id
        self._stub = segments_pb2_grpc.SegmentsServiceStub(channel)
        caller = Caller(kind="person", tenant_id=tenant_id, user_id=7, role=role)
        self._token = mint(caller, private_key(settings, INTERNAL_KEY))

    async def call(self, rpc: str, request: object) -> Any:
        """Calls an RPC by its name."""
        with serving(Request(id=f"test-{rpc}", token=self._token)):
            return await call(getattr(self._stub, rpc), request)

    async def stream(self, rpc: str, request: object) -> AsyncGenerator[Any]:
        """What a streaming RPC answers, message by message."""
        with serving(Request(id=f"test-{rpc}", token=self._token)):
            async with aclosing(stream(getattr(self._stub, rpc), request)) as messages:
                async for message in messages:
                    yield message

    async def create(self, name: str = "segment", **fields: Any) -> pb.Segment:
        """A new segment; a definition is given as plain Python."""
        created: pb.Segment = await self.call(
            "CreateSegment", _with_values(pb.CreateSegmentRequest, name=name, **fields)
        )
        return created

    async def update(self, segment_id: int, **fields: Any) -> pb.Segment:
        """Changes the given fields."""
        changed: pb.Segment = await self.call(
            "UpdateSegment", _with_values(pb.UpdateSegmentRequest, id=segment_id, **fields)
        )
        return changed

    async def replace(self, segment_id: int, **fields: Any) -> pb.Segment:
        """Puts the given fields in the place of all."""
        replaced: pb.Segment = await self.call(
            "ReplaceSegment", _with_values(pb.ReplaceSegmentRequest, id=segment_id, **fields)
        )
        return replaced

    async def get(self, segment_id: int) -> pb.Segment:
        """One segment."""
        found: pb.Segment = await self.call("GetSegment", pb.GetSegmentRequest(id=segment_id))
        return found

    async def delete(self, segment_id: int) -> None:
        """Deletes a segment."""
        await self.call("DeleteSegment", pb.DeleteSegmentRequest(id=segment_id))

    async def queue(self, segment_id: int) -> str:
        """Asks for a compute and answers what the service said."""
        answer: pb.ComputeSegmentResponse = await self.call("ComputeSegment", pb.ComputeSegmentRequest(id=segment_id))
        return answer.status

    async def settled(self, segment_id: int, seconds: float = WAIT_SECONDS) -> pb.Segment:
        """The segment once its compute is done."""

        async def computed() -> pb.Segment | None:
            segment = await self.get(segment_id)
            return None if segment.status == "computing" else segment

        return await until(computed, seconds)

    async def compute(self, segment_id: int) -> pb.Segment:
        """The segment after a compute."""
        await self.queue(segment_id)
        return await self.settled(segment_id)

    async def preview(self, definition: Mapping[str, Any], **fields: Any) -> pb.SegmentPreview:
        """Whom a definition matches."""
        request = pb.PreviewSegmentRequest(definition=nullable(definition), **fields)
        found: pb.SegmentPreview = await self.call("PreviewSegment", request)
        return found

    async def diff(self, segment_id: int, **fields: Any) -> pb.SegmentDiff:
        """Who would enter and leave a segment."""
        found: pb.SegmentDiff = await self.call(
            "DiffSegment", _with_values(pb.DiffSegmentRequest, id=segment_id, **fields)
        )
        return found

    async def changes(self, segment_id: int, **fields: Any) -> pb.ChangePage:
        """A page of a segment's ledger."""
        page: pb.ChangePage = await self.call("ListChanges", pb.ListChangesRequest(id=segment_id, **fields))
        return page

    async def members(self, segment_id: int, **fields: Any) -> pb.MemberPage:
        """A page of members."""
        page: pb.MemberPage = await self.call("ListMembers", pb.ListMembersRequest(id=segment_id, **fields))
        return page

    async def walk(self, segment_id: int, limit: int) -> list[str]:
        """Every member by page after page."""
        found, cursor = [], ""
        while True:
            page = await self.members(segment_id, limit=limit, cursor=cursor)
            found += [member.user_id for member in page.results]
            cursor = page.next_cursor.string_value
            if not cursor:
                return found

    async def membership(self, user_id: str, **fields: Any) -> list[int]:
        """Ids of the segments a user is in."""
        request = pb.GetMembershipRequest(user_id=user_id, **fields)
        answer: pb.Membership = await self.call("GetMembership", request)
        return [segment.segment_id for segment in answer.segments]


def _with_values(message: Any, **fields: Any) -> Any:
    for name in ("definition", "refresh_minutes"):
        if name in fields and (fields[name] is None or isinstance(fields[name], Mapping | str | int | float)):
            fields[name] = nullable(fields[name])
    return message(**fields)
