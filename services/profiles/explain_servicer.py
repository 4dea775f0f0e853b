"""The RPCs that tell why, and what if."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

import grpc
from google.api.httpbody_pb2 import HttpBody

from services.gen.segops.ingestion.v1 import checks_pb2_grpc
from services.gen.segops.profiles.v1 import explain_pb2 as pb
from services.gen.segops.profiles.v1 import explain_pb2_grpc
from services.gen.segops.segments.v1 import evaluations_pb2, evaluations_pb2_grpc
from services.gen.segops.warehouse.v1 import explain_pb2 as warehouse_pb2
from services.gen.segops.warehouse.v1 import explain_pb2_grpc as warehouse_grpc
from services.kit.caller import current_caller
from services.kit.channel import call, stream
from services.kit.context import Context
from services.kit.persons import person_of
from services.kit.postgres import Database
from services.profiles.explain import asked, evaluation, explained
from services.profiles.sandbox import play


class ExplainServicer(explain_pb2_grpc.ExplainServiceServicer):
    """Explains segments of the caller's tenant."""

    def __init__(
        self,
        database: Database,
        *,
        warehouse: grpc.aio.Channel,
        segments: grpc.aio.Channel,
        ingestion: grpc.aio.Channel,
    ) -> None:
        self._database = database
        self._warehouse = warehouse_grpc.ExplainServiceStub(warehouse)
        self._segments = evaluations_pb2_grpc.EvaluationServiceStub(segments)
        self._ingestion = checks_pb2_grpc.EventCheckServiceStub(ingestion)

    async def ExplainMembership(
        self, request: pb.ExplainMembershipRequest, context: Context
    ) -> AsyncIterator[pb.ExplainedCondition]:
        about = asked(request, datetime.now(UTC))
        ready = evaluations_pb2.GetReadySegmentRequest(id=request.segment_id)
        segment = await call(self._segments.GetReadySegment, ready)
        question = warehouse_pb2.ExplainConditionsRequest(
            evaluation=evaluation(segment, about.at), user_ids=await self._user_ids(about.user_id)
        )
        answer = await call(self._warehouse.ExplainConditions, question)
        for condition in explained(segment, answer.conditions):
            yield condition

    async def PublishSandbox(self, request: HttpBody, context: Context) -> pb.SandboxResult:
        event = await call(self._ingestion.CheckEvent, request)
        user_ids = await self._user_ids(event.user_id)
        simulate = partial(call, self._warehouse.SimulateArrival)
        listed = stream(self._segments.ListReadySegments, evaluations_pb2.ListReadySegmentsRequest())
        async with aclosing(listed) as batches:
            return (await play(batches, event, user_ids, simulate)).message()

    async def _user_ids(self, user_id: str) -> tuple[str, ...]:
        """All ids of the person behind one."""
        tenant_id = current_caller().tenant
        async with self._database.tenant(tenant_id) as connection:
            return (await person_of(connection, tenant_id, user_id)).user_ids
