"""Rows as messages."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.caller import current_request
from services.kit.wire import nullable, nullable_time, timestamp, whole_seconds
from services.segments.changes import Changes
from services.segments.exporting import Export, download_url
from services.segments.listing import Members
from services.segments.membership import Entry


def segment_message(row: Row[Any]) -> pb.Segment:
    return pb.Segment(
        id=row.id,
        name=row.name,
        tenant=row.tenant_id,
        segment_type=row.segment_type,
        description=row.description,
        definition=nullable(row.definition),
        status=row.status,
        is_active=row.is_active,
        member_count=row.member_count,
        last_computed_at=nullable_time(row.last_computed_at),
        last_error=nullable(row.last_error),
        version=row.version,
        refresh_minutes=nullable(row.refresh_minutes),
        created_at=whole_seconds(row.created_at),
        updated_at=whole_seconds(row.updated_at),
    )


def member_page(members: Members) -> pb.MemberPage:
    return pb.MemberPage(
        results=_members(members.rows, members.computed_at),
        next_cursor=nullable(members.next_cursor),
        count=members.count,
    )


def member_chunk(rows: Sequence[Row[str, datetime, datetime]]) -> pb.MemberChunk:
    """Members of one compute: the third column is the same in all rows."""
    return pb.MemberChunk(members=_members(rows, rows[0][2]))


def version_message(row: Row[Any]) -> pb.SegmentVersion:
    return pb.SegmentVersion(
        version=row.version,
        definition=nullable(row.definition),
        created_at=whole_seconds(row.created_at),
        created_by=row.created_by,
    )


def change_page(changes: Changes) -> pb.ChangePage:
    return pb.ChangePage(
        results=[
            pb.MembershipChange(
                change="entered" if row.entered else "exited",
                user_id=row.user_id,
                version=row.version,
                # To the millisecond, as it was evaluated: passed as `since`, it leaves out what was read already.
                changed_at=timestamp(row.computed_at),
                cause=row.cause,
            )
            for row in changes.rows
        ],
        next_cursor=nullable(changes.next_cursor),
        count=changes.count,
    )


def export_message(export: Export) -> pb.Export:
    return pb.Export(
        id=export.id,
        export_id=export.id,
        status=export.status,
        format=export.format,
        download_url=nullable(download_url(export, current_request().url)),
        row_count=nullable(export.row_count),
        expires_at=nullable_time(export.expires_at),
        error=nullable(export.error),
    )


def user_segment_message(row: Row[Any]) -> pb.UserSegment:
    return pb.UserSegment(
        segment_id=row.id,
        segment_name=row.name,
        member_count=row.member_count,
        computed_at=whole_seconds(row.last_computed_at),
    )


def membership_message(user_id: str, entries: Sequence[Entry]) -> pb.Membership:
    return pb.Membership(
        user_id=user_id,
        segments=[
            pb.MembershipSegment(
                segment_id=entry.segment_id,
                segment_name=entry.segment_name,
                computed_at=whole_seconds(entry.computed_at),
                entered_at=whole_seconds(entry.entered_at),
            )
            for entry in entries
        ],
    )


def _members(rows: Iterable[Sequence[Any]], computed_at: datetime | None) -> list[pb.Member]:
    confirmed = whole_seconds(computed_at) if computed_at else None
    return [
        pb.Member(user_id=user_id, computed_at=confirmed, entered_at=whole_seconds(entered_at))
        for user_id, entered_at, *_ in rows
    ]
