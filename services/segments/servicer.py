"""SegmentsService: unpack, call, pack."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from google.api import httpbody_pb2

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.gen.segops.segments.v1 import segments_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.paging import page_of
from services.kit.postgres import Database
from services.kit.wire import nullable, plain, sent_fields
from services.segments import editing, listing
from services.segments.changes import page_of_changes
from services.segments.cursors import Cursors
from services.segments.diff import diff
from services.segments.estimate import estimate
from services.segments.evaluation import Evaluations
from services.segments.export_files import CONTENT_TYPES
from services.segments.exporting import Exports, content_disposition
from services.segments.fields import search_errors
from services.segments.membership import Memberships
from services.segments.packing import (
    change_page,
    export_message,
    member_chunk,
    member_page,
    membership_message,
    segment_message,
    user_segment_message,
    version_message,
)
from services.segments.preview import preview
from services.segments.queueing import Queue, request_compute
from services.segments.warehouse import Warehouse

DEFAULT_MEMBERS = DEFAULT_CHANGES = 100
DEFAULT_SAMPLE = 10


class SegmentsServicer(segments_pb2_grpc.SegmentsServiceServicer):
    """Segments of the caller's tenant."""

    def __init__(
        self,
        database: Database,
        streams: Database,
        memberships: Memberships,
        queue: Queue,
        evaluations: Evaluations,
        warehouse: Warehouse,
        exports: Exports,
        member_cursors: Cursors,
        change_cursors: Cursors,
    ) -> None:
        """`streams` is a pool of its own: a stream of members keeps a connection for as long as its caller reads."""
        self._database = database
        self._streams = streams
        self._memberships = memberships
        self._queue = queue
        self._evaluations = evaluations
        self._warehouse = warehouse
        self._exports = exports
        self._member_cursors = member_cursors
        self._change_cursors = change_cursors

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
        found = await preview(
            self._evaluations,
            self._warehouse,
            tenant_id=current_caller().tenant,
            definition=plain(request.definition),
            limit=request.limit if request.HasField("limit") else DEFAULT_SAMPLE,
            as_of=request.as_of,
        )
        return pb.SegmentPreview(
            matched_users=found.matched_users, sample_user_ids=found.sample_user_ids, sql=found.sql
        )

    async def ComputeSegment(self, request: pb.ComputeSegmentRequest, context: Context) -> pb.ComputeSegmentResponse:
        await request_compute(self._database, self._queue, current_caller().tenant, request.id)
        return pb.ComputeSegmentResponse(status="queued")

    async def ListMembers(self, request: pb.ListMembersRequest, context: Context) -> pb.MemberPage:
        members = await listing.page_of_members(
            self._database,
            self._member_cursors,
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

    async def ListVersions(self, request: pb.ListVersionsRequest, context: Context) -> pb.SegmentVersionPage:
        page = page_of(request)
        count, rows = await listing.page_of_versions(self._database, current_caller().tenant, request.id, page)
        return pb.SegmentVersionPage(
            count=count,
            next=nullable(page.next_url(count)),
            previous=nullable(page.previous_url()),
            results=[version_message(row) for row in rows],
        )

    async def DiffSegment(self, request: pb.DiffSegmentRequest, context: Context) -> pb.SegmentDiff:
        found = await diff(
            self._database,
            self._evaluations,
            self._warehouse,
            tenant_id=current_caller().tenant,
            segment_id=request.id,
            definition=plain(request.definition),
            as_of=request.as_of,
        )
        return pb.SegmentDiff(
            entering=found.entering,
            leaving=found.leaving,
            staying=found.staying,
            sample_entering_ids=found.sample_entering_ids,
            sample_leaving_ids=found.sample_leaving_ids,
        )

    async def EstimateSegment(self, request: pb.EstimateSegmentRequest, context: Context) -> pb.SegmentEstimate:
        found = await estimate(self._database, self._evaluations, self._warehouse, current_caller().tenant, request.id)
        return pb.SegmentEstimate(
            estimated_users=found.estimated_users,
            sampled=found.sampled,
            sample_size=found.sample_size,
            total_users=found.total_users,
        )

    async def StreamMembers(self, request: pb.StreamMembersRequest, context: Context) -> AsyncIterator[pb.MemberChunk]:
        members = listing.stream_members(self._streams, current_caller().tenant, request.id)
        async with aclosing(members) as parts:
            async for rows in parts:
                yield member_chunk(rows)

    async def ListChanges(self, request: pb.ListChangesRequest, context: Context) -> pb.ChangePage:
        changes = await page_of_changes(
            self._database,
            self._change_cursors,
            tenant_id=current_caller().tenant,
            segment_id=request.id,
            since=request.since,
            limit=request.limit if request.HasField("limit") else DEFAULT_CHANGES,
            cursor=request.cursor,
        )
        return change_page(changes)

    async def BatchGetMembership(self, request: pb.BatchGetMembershipRequest, context: Context) -> pb.MembershipBatch:
        found = await self._memberships.of_users(current_caller().tenant, request.user_ids)
        return pb.MembershipBatch(
            results=[membership_message(user_id, found.get(user_id, ())) for user_id in request.user_ids]
        )

    async def CreateExport(self, request: pb.CreateExportRequest, context: Context) -> pb.Export:
        return export_message(await self._exports.request(current_caller().tenant, request.id, request.format))

    async def GetExport(self, request: pb.GetExportRequest, context: Context) -> pb.Export:
        return export_message(await self._exports.find(current_caller().tenant, request.id, request.export_id))

    async def DownloadExport(
        self, request: pb.DownloadExportRequest, context: Context
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        async with self._exports.reading(current_caller().tenant, request.id) as (export, reading):
            await context.send_initial_metadata(
                (("content-disposition", content_disposition(export)), ("x-content-length", str(reading.size)))
            )
            async for part in reading.parts:
                yield httpbody_pb2.HttpBody(content_type=CONTENT_TYPES[export.format], data=part)
