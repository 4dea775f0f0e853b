"""The warehouse's and the segments service's answers as public messages."""

from services.gen.segops.profiles.v1 import profiles_pb2 as pb
from services.gen.segops.segments.v1 import segments_pb2
from services.gen.segops.warehouse.v1 import warehouse_pb2
from services.kit.paging import Page
from services.kit.wire import nullable
from services.profiles.objects import parse_object


def user_page(page: Page, found: warehouse_pb2.SearchUsersResponse) -> pb.UserPage:
    return pb.UserPage(
        count=found.count,
        next=nullable(page.next_url(found.count)),
        previous=nullable(page.previous_url()),
        results=[
            pb.UserSummary(
                user_id=user.user_id,
                event_count=user.event_count,
                first_seen=user.first_seen,
                last_seen=user.last_seen,
            )
            for user in found.users
        ],
    )


def user_profile(user_id: str, user: warehouse_pb2.UserProfile) -> pb.UserProfile:
    return pb.UserProfile(
        user_id=user_id,
        event_count=user.event_count,
        event_type_count=user.event_type_count,
        first_seen=user.first_seen,
        last_seen=user.last_seen,
        properties=parse_object(user.properties),
    )


def event_page(page: Page, found: warehouse_pb2.ListUserEventsResponse) -> pb.UserEventPage:
    return pb.UserEventPage(
        count=found.count,
        next=nullable(page.next_url(found.count)),
        previous=nullable(page.previous_url()),
        results=[
            pb.UserEvent(
                event_id=event.event_id,
                event_type=event.event_type,
                occurred_at=event.occurred_at,
                received_at=event.received_at,
                payload=parse_object(event.payload),
                user_id=event.user_id,
            )
            for event in found.events
        ],
    )


def user_segment(segment: segments_pb2.UserSegment) -> pb.UserSegment:
    return pb.UserSegment(
        segment_id=segment.segment_id,
        segment_name=segment.segment_name,
        member_count=segment.member_count,
        computed_at=segment.computed_at,
    )
