"""The RPCs of the profiles service."""

from collections.abc import AsyncIterator

import grpc

from services.gen.segops.profiles.v1 import profiles_pb2 as pb
from services.gen.segops.profiles.v1 import profiles_pb2_grpc
from services.gen.segops.segments.v1 import segments_pb2, segments_pb2_grpc
from services.gen.segops.warehouse.v1 import warehouse_pb2, warehouse_pb2_grpc
from services.kit.caller import current_caller
from services.kit.channel import call
from services.kit.context import Context
from services.kit.link_mirror import LinkMirror
from services.kit.persons import Person, person_of
from services.kit.postgres import Database
from services.profiles.packing import event_page, user_page, user_profile, user_segment
from services.profiles.requests import checked_user_id, event_search, user_search


class ProfilesServicer(profiles_pb2_grpc.ProfilesServiceServicer):
    """Looks users up in the warehouse and in the segments service."""

    def __init__(self, database: Database, *, warehouse: grpc.aio.Channel, segments: grpc.aio.Channel) -> None:
        self._database = database
        self._links = LinkMirror(warehouse)
        self._warehouse = warehouse_pb2_grpc.WarehouseServiceStub(warehouse)
        self._segments = segments_pb2_grpc.SegmentsServiceStub(segments)

    async def SearchUsers(self, request: pb.SearchUsersRequest, context: Context) -> pb.UserPage:
        page, question = user_search(request)
        tenant_id = current_caller().tenant
        question.links = await self._links.catch_up(self._database, tenant_id)
        return user_page(page, await call(self._warehouse.SearchUsers, question))

    async def GetUser(self, request: pb.GetUserRequest, context: Context) -> pb.UserProfile:
        person = await self._person(checked_user_id(request.user_id))
        question = warehouse_pb2.GetUserRequest(user_ids=person.user_ids)
        return user_profile(person.id, await call(self._warehouse.GetUser, question))

    async def ListUserEvents(self, request: pb.ListUserEventsRequest, context: Context) -> pb.UserEventPage:
        page, question = event_search(request)
        question.user_ids.extend((await self._person(request.user_id)).user_ids)
        return event_page(page, await call(self._warehouse.ListUserEvents, question))

    async def ListUserSegments(
        self, request: pb.ListUserSegmentsRequest, context: Context
    ) -> AsyncIterator[pb.UserSegment]:
        question = segments_pb2.ListUserSegmentsRequest(user_id=checked_user_id(request.user_id))
        answer = await call(self._segments.ListUserSegments, question)
        for segment in answer.segments:
            yield user_segment(segment)

    async def _person(self, user_id: str) -> Person:
        tenant_id = current_caller().tenant
        async with self._database.tenant(tenant_id) as connection:
            return await person_of(connection, tenant_id, user_id)
