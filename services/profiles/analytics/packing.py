"""The numbers as messages."""

from typing import Any

from sqlalchemy import Row

from services.gen.segops.analytics.v1 import analytics_pb2 as pb
from services.gen.segops.connectors.v1 import connectors_pb2
from services.kit.wire import nullable, nullable_time, whole_seconds
from services.profiles.analytics.activations import ActivationStats
from services.profiles.analytics.overlaps import Overlap
from services.profiles.analytics.overview import Overview
from services.profiles.analytics.trends import Trend
from services.profiles.analytics.usage import Usage


def overview_message(overview: Overview) -> pb.Overview:
    return pb.Overview(
        segment_count=overview.segments.all,
        active_segment_count=overview.segments.active,
        computed_segment_count=overview.segments.computed,
        total_members=overview.segments.members,
        distinct_members=nullable(overview.distinct_members),
        user_count=overview.events.users,
        event_count=overview.events.all,
        events_30d=overview.events.in_window,
        events_today=overview.events.today,
        activations=pb.ActivationCounts(**overview.activations),
    )


def trend_message(trend: Trend) -> pb.SegmentTrend:
    segment = trend.segment
    return pb.SegmentTrend(
        id=segment.id,
        name=segment.name,
        status=segment.status,
        is_active=segment.is_active,
        member_count=segment.member_count,
        last_computed_at=nullable_time(segment.last_computed_at),
        trend=[pb.TrendDay(day=day.isoformat(), count=count) for day, count in trend.days],
        change=trend.change,
    )


def overlap_message(overlap: Overlap) -> pb.Overlap:
    (seg_a_id, seg_b_id), (seg_a_name, seg_b_name) = overlap.pair, overlap.names
    return pb.Overlap(
        seg_a_id=seg_a_id,
        seg_a_name=seg_a_name,
        seg_b_id=seg_b_id,
        seg_b_name=seg_b_name,
        overlap=overlap.persons,
        overlap_pct=overlap.percent_of_smaller,
    )


def activation_message(stats: ActivationStats) -> pb.ActivationStats:
    activation = stats.activation
    return pb.ActivationStats(
        id=activation.id,
        segment_id=activation.segment_id,
        segment_name=activation.segment_name,
        connector_type=activation.connector_type,
        status=activation.status,
        last_synced_at=nullable_time(activation.last_synced_at),
        last_error=nullable(activation.last_error),
        member_count=activation.member_count,
        success_rate=nullable(stats.success_rate),
        sync_logs=[_log_message(log) for log in stats.logs],
    )


def usage_message(usage: Usage, api_calls: int) -> pb.Usage:
    return pb.Usage(
        plan=usage.plan.name,
        period_start=whole_seconds(usage.begin),
        period_end=whole_seconds(usage.end),
        events_used=usage.events,
        events_limit=nullable(usage.plan.events_per_month),
        api_calls_last_minute=api_calls,
        api_calls_limit=nullable(usage.api_calls_per_minute),
    )


def _log_message(row: Row[Any]) -> connectors_pb2.SyncLog:
    return connectors_pb2.SyncLog(
        status=row.status,
        added=row.added,
        removed=row.removed,
        user_count=row.user_count,
        error_message=nullable(row.error_message),
        attempt=row.attempt,
        synced_at=whole_seconds(row.synced_at),
    )
