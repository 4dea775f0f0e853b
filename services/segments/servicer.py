"""SegmentsService: unpack, call, pack."""

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.gen.segops.segments.v1 import segments_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.paging import page_of
from services.kit.postgres import Database
from services.kit.wire import nullable
from services.segments import editing, listing
from services.segments.compute import Queue, request_compute
from services.segments.cursors import Cursors
from services.segments.fields import search_errors
from services.segments.membership import Memberships
from services.segments.packing import (
    member_page,
    membership_message,
    segment_message,
    sent_fields,
    user_segment_message,
)
from services.segments.preview import preview
from services.segments.values import plain
from services.segments.warehouse import Warehouse

DEFAULT_MEMBERS = 100
DEFAULT_SAMPLE = 10


class SegmentsServicer(segments_pb2_grpc.SegmentsServiceServicer):
    """Segments of the caller's tenant."""

    def __init__(
        self, database: Database, memberships: Memberships, queue: Queue, warehouse: Warehouse, cursors: Cursors
    ) -> None:
        self._database = database
        self._memberships = memberships
        self._queue = queue
        self._warehouse = warehouse
        self._cursors = cursors

    async def ListSegments(self, request: pb.ListSegmentsRequest, context: Context) -> pb.SegmentPage:
        page = page_of(request, errors=search_errors(request.search))
        count, rows = await listing.page_of_segments(self._database, current_caller().tenant, request.search, page)
        return pb.SegmentPage(
            count=count,
            next=nullable(page.next_url(count)),
            previous=nullable(page.previous_url()),
            results=[segment_message(row) for row in rows],
        )

    async def CreateSegment(self, request: pb.CreateSegmentRequest, context: Context) -> pb.Segment:
        return segment_message(await editing.create(self._database, current_caller(), sent_fields(request)))

    async def GetSegment(self, request: pb.GetSegmentRequest, context: Context) -> pb.Segment:
        return segment_message(await listing.find(self._database, current_caller().tenant, request.id))

    async def ReplaceSegment(self, request: pb.ReplaceSegmentRequest, context: Context) -> pb.Segment:
        row = await editing.replace(self._database, current_caller(), request.id, sent_fields(request))
        return segment_message(row)

    async def UpdateSegment(self, request: pb.UpdateSegmentRequest, context: Context) -> pb.Segment:
        row = await editing.change(self._database, current_caller(), request.id, sent_fields(request))
        return segment_message(row)

    async def DeleteSegment(self, request: pb.DeleteSegmentRequest, context: Context) -> pb.DeleteSegmentResponse:
        await editing.remove(self._database, current_caller(), request.id)
        return pb.DeleteSegmentResponse()

    async def PreviewSegment(self, request: pb.PreviewSegmentRequest, context: Context) -> pb.SegmentPreview:
        limit = request.limit if request.HasField("limit") else DEFAULT_SAMPLE
        found = await preview(self._warehouse, plain(request.definition), limit)
        return pb.SegmentPreview(
            matched_users=found.matched_users, sample_user_ids=found.sample_user_ids, sql=found.sql
        )

    async def ComputeSegment(self, request: pb.ComputeSegmentRequest, context: Context) -> pb.ComputeSegmentResponse:
        await request_compute(self._database, self._queue, current_caller().tenant, request.id)
        return pb.ComputeSegmentResponse(status="queued")

    async def ListMembers(self, request: pb.ListMembersRequest, context: Context) -> pb.MemberPage:
        members = await listing.page_of_members(
            self._database,
            self._cursors,
            tenant_id=current_caller().tenant,
            segment_id=request.id,
            limit=request.limit if request.HasField("limit") else DEFAULT_MEMBERS,
            cursor=request.cursor,
        )
        return member_page(members)

    async def GetMembership(self, request: pb.GetMembershipRequest, context: Context) -> pb.Membership:
        segment_id = request.segment_id if request.HasField("segment_id") else None
        entries = await self._memberships.of_user(current_caller().tenant, request.user_id, segment_id)
        return membership_message(request.user_id, entries)

    async def ListUserSegments(
        self, request: pb.ListUserSegmentsRequest, context: Context
    ) -> pb.ListUserSegmentsResponse:
        rows = await listing.segments_of_user(self._database, current_caller().tenant, request.user_id)
        return pb.ListUserSegmentsResponse(segments=[user_segment_message(row) for row in rows])
