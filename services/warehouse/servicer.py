"""The warehouse over gRPC: unpack, call, pack."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime
from random import Random

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.gen.segops.warehouse.v1 import warehouse_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.errors import NotFound
from services.kit.wire import moment, timestamp
from services.warehouse import intake, matches, mirror
from services.warehouse.engine import Engine
from services.warehouse.estimates import estimate
from services.warehouse.evaluation import Evaluation, read_definition
from services.warehouse.loading.loader import Loader
from services.warehouse.loading.replay import Replay
from services.warehouse.loading.replay_range import Times
from services.warehouse.operator import require_operator
from services.warehouse.search import UserSummary, search_users
from services.warehouse.users import EventFilter, UserEvent, get_user, list_user_events

ID_BYTES = 16  # of a UUID


class WarehouseServicer(warehouse_pb2_grpc.WarehouseServiceServicer):
    """Answers for the caller's tenant."""

    def __init__(self, engine: Engine, loader: Loader, replay: Replay) -> None:
        self._engine = engine
        self._loader = loader
        self._replay = replay

    async def PreviewDefinition(
        self, request: pb.PreviewDefinitionRequest, context: Context
    ) -> pb.PreviewDefinitionResponse:
        preview = await matches.preview(self._engine, self._evaluation(request.evaluation), request.sample_limit)
        return pb.PreviewDefinitionResponse(
            matched_users=preview.matched_users, sample_user_ids=preview.sample_user_ids, sql=preview.sql
        )

    async def StreamMatches(self, request: pb.StreamMatchesRequest, context: Context) -> AsyncIterator[pb.MatchChunk]:
        async with aclosing(matches.stream(self._engine, self._evaluation(request.evaluation))) as chunks:
            async for chunk in chunks:
                yield pb.MatchChunk(copy_text=chunk)

    async def DiffDefinition(self, request: pb.DiffDefinitionRequest, context: Context) -> pb.DiffDefinitionResponse:
        evaluation = self._evaluation(request.evaluation)
        found = await matches.diff(self._engine, evaluation, request.segment_id, request.sample_limit)
        return pb.DiffDefinitionResponse(
            entering=found.entering,
            leaving=found.leaving,
            staying=found.staying,
            sample_entering_ids=found.sample_entering_ids,
            sample_leaving_ids=found.sample_leaving_ids,
        )

    async def EstimateDefinition(
        self, request: pb.EstimateDefinitionRequest, context: Context
    ) -> pb.EstimateDefinitionResponse:
        evaluation = self._evaluation(request.evaluation)
        # Among the look-ups, so that it does not wait for a definition that takes its time.
        found = await self._engine.lookups.ask(lambda client: estimate(client, evaluation, Random()))
        return pb.EstimateDefinitionResponse(
            estimated_users=found.matched_users,
            sample_size=found.sample_size,
            total_users=found.total_users,
            sampled=found.sampled,
        )

    async def GetMirrorPosition(self, request: pb.GetMirrorPositionRequest, context: Context) -> pb.MirrorPosition:
        tenant_id = current_caller().tenant
        run_id, user_id = await self._engine.lookups.ask(
            lambda client: mirror.position(client, tenant_id, request.segment_id, self._engine.layout)
        )
        return pb.MirrorPosition(run_id=run_id, user_id=user_id)

    async def AppendMembershipChanges(
        self, request: pb.AppendMembershipChangesRequest, context: Context
    ) -> pb.AppendMembershipChangesResponse:
        tenant_id = current_caller().tenant
        lines = self._loader.erased.lines_of_others(tenant_id, request.copy_text, [mirror.USER_COLUMN])
        if lines or not request.copy_text:
            await self._engine.mirrors.ask(
                lambda client: mirror.append(client, tenant_id, request.segment_id, lines, self._engine.layout)
            )
        return pb.AppendMembershipChangesResponse()

    async def GetIntake(self, request: pb.GetIntakeRequest, context: Context) -> pb.Intake:
        tenant_id = current_caller().tenant
        begin, end = moment(getattr(request, "from")), moment(request.to)
        hours = await self._engine.lookups.ask(lambda client: intake.by_hour(client, tenant_id, begin, end))
        return pb.Intake(hours=[_intake_hour(hour) for hour in hours])

    async def FindKnownEvents(self, request: pb.FindKnownEventsRequest, context: Context) -> pb.KnownEvents:
        tenant_id, now = current_caller().tenant, datetime.now(UTC)
        ids = [request.event_ids[start : start + ID_BYTES] for start in range(0, len(request.event_ids), ID_BYTES)]
        found = await self._engine.lookups.run(lambda _: self._loader.duplicates.find(tenant_id, ids, now))
        return pb.KnownEvents(known=bytes(event_id in found for event_id in ids))

    async def Replay(self, request: pb.ReplayRequest, context: Context) -> AsyncIterator[pb.ReplayProgress]:
        require_operator()
        times = Times(since=_optional(request, "from"), until=_optional(request, "to"))
        async with aclosing(self._replay.run(times)) as steps:
            async for progress in steps:
                yield pb.ReplayProgress(**asdict(progress))

    async def SearchUsers(self, request: pb.SearchUsersRequest, context: Context) -> pb.SearchUsersResponse:
        tenant_id, linked = current_caller().tenant, request.links > 0
        count, users = await self._engine.lookups.ask(
            lambda client: search_users(client, tenant_id, request.query, request.limit, request.offset, linked=linked)
        )
        return pb.SearchUsersResponse(count=count, users=[_summary(user) for user in users])

    async def GetUser(self, request: pb.GetUserRequest, context: Context) -> pb.UserProfile:
        tenant_id, user_ids = current_caller().tenant, request.user_ids
        user = await self._engine.lookups.ask(lambda client: get_user(client, tenant_id, user_ids))
        if user is None:
            raise NotFound
        return pb.UserProfile(
            event_count=user.event_count,
            event_type_count=user.event_type_count,
            first_seen=timestamp(user.first_seen),
            last_seen=timestamp(user.last_seen),
            properties=user.properties,
        )

    async def ListUserEvents(self, request: pb.ListUserEventsRequest, context: Context) -> pb.ListUserEventsResponse:
        tenant_id, user_ids = current_caller().tenant, request.user_ids
        chosen = EventFilter(
            event_type=request.event_type, since=_optional(request, "since"), until=_optional(request, "until")
        )
        count, events = await self._engine.lookups.ask(
            lambda client: list_user_events(client, tenant_id, user_ids, chosen, request.limit, request.offset)
        )
        return pb.ListUserEventsResponse(count=count, events=[_event(event) for event in events])

    async def GetLoadPosition(self, request: pb.GetLoadPositionRequest, context: Context) -> pb.LoadPosition:
        return pb.LoadPosition(sequence=self._loader.loaded)

    def _evaluation(self, message: pb.Evaluation) -> Evaluation:
        """What is asked for, in the caller's tenant. Raises Invalid on a definition that does not parse."""
        return Evaluation(
            tenant_id=current_caller().tenant,
            group=read_definition(message.definition),
            now=_optional(message, "now") or datetime.now(UTC),
            past=message.past,
            runs=dict(message.runs),
            linked=message.links > 0,
            layout=self._engine.layout,
        )


def _optional(request: Message, field: str) -> datetime | None:
    if not request.HasField(field):
        return None
    value: Timestamp = getattr(request, field)
    return moment(value)


def _summary(user: UserSummary) -> pb.UserSummary:
    return pb.UserSummary(
        user_id=user.user_id,
        event_count=user.event_count,
        first_seen=timestamp(user.first_seen),
        last_seen=timestamp(user.last_seen),
    )


def _intake_hour(hour: intake.IntakeHour) -> pb.IntakeHour:
    return pb.IntakeHour(
        hour=timestamp(hour.hour),
        event_type=hour.event_type,
        stored=hour.stored,
        duplicate=hour.duplicate,
        skipped=hour.skipped,
    )


def _event(event: UserEvent) -> pb.UserEvent:
    return pb.UserEvent(
        user_id=event.user_id,
        event_id=event.event_id,
        event_type=event.event_type,
        occurred_at=timestamp(event.occurred_at),
        received_at=timestamp(event.received_at),
        payload=event.payload,
    )
