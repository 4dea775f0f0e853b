"""The RPCs of the numbers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from services.gen.segops.analytics.v1 import analytics_pb2 as pb
from services.gen.segops.analytics.v1 import analytics_pb2_grpc
from services.kit.caller import current_api_calls, current_caller
from services.kit.context import Context
from services.kit.postgres import Database
from services.profiles.analytics import packing
from services.profiles.analytics.activations import activation_stats
from services.profiles.analytics.member_counts import MemberCounting
from services.profiles.analytics.overlaps import largest_overlaps
from services.profiles.analytics.overview import overview
from services.profiles.analytics.trends import trends
from services.profiles.analytics.usage import usage
from services.profiles.analytics.warehouse import Warehouse


class AnalyticsServicer(analytics_pb2_grpc.AnalyticsServiceServicer):
    """Answers for the caller's tenant."""

    def __init__(self, database: Database, warehouse: Warehouse, counting: MemberCounting) -> None:
        self._database = database
        self._warehouse = warehouse
        self._counting = counting

    async def GetOverview(self, request: pb.GetOverviewRequest, context: Context) -> pb.Overview:
        found = await overview(
            self._database,
            self._counting,
            self._warehouse,
            tenant_id=current_caller().tenant,
            now=datetime.now(UTC),
        )
        return packing.overview_message(found)

    async def ListSegmentTrends(
        self, request: pb.ListSegmentTrendsRequest, context: Context
    ) -> AsyncIterator[pb.SegmentTrend]:
        for trend in await trends(self._database, tenant_id=current_caller().tenant, now=datetime.now(UTC)):
            yield packing.trend_message(trend)

    async def ListOverlaps(self, request: pb.ListOverlapsRequest, context: Context) -> AsyncIterator[pb.Overlap]:
        for overlap in await largest_overlaps(self._counting, current_caller().tenant):
            yield packing.overlap_message(overlap)

    async def ListActivationStats(
        self, request: pb.ListActivationStatsRequest, context: Context
    ) -> AsyncIterator[pb.ActivationStats]:
        for stats in await activation_stats(self._database, tenant_id=current_caller().tenant, now=datetime.now(UTC)):
            yield packing.activation_message(stats)

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.Usage:
        used = await usage(
            self._database, self._warehouse.count_stored, tenant_id=current_caller().tenant, now=datetime.now(UTC)
        )
        return packing.usage_message(used, current_api_calls())
