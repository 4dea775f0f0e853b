"""ExplainService: unpack, call, pack."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from services.gen.segops.warehouse.v1 import explain_pb2 as pb
from services.gen.segops.warehouse.v1 import explain_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.errors import Invalid
from services.kit.wire import moment, timestamp
from services.warehouse.compiler.conditions import Moment
from services.warehouse.compiler.facts import Happened
from services.warehouse.compiler.questions import Arrival
from services.warehouse.engine import Engine
from services.warehouse.evaluation import read_definition
from services.warehouse.explain import Explained, Person, changes, explain


class ExplainServicer(explain_pb2_grpc.ExplainServiceServicer):
    """Answers for the caller's tenant. Among the look-ups, so that it does not wait for definitions of everybody."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Many definitions take far longer than other look-ups, which keep the other threads.
        self._turn = asyncio.Semaphore(1)

    async def ExplainConditions(
        self, request: pb.ExplainConditionsRequest, context: Context
    ) -> pb.ExplainConditionsResponse:
        evaluation, person = request.evaluation, _person(request.user_ids)
        now = moment(evaluation.now) if evaluation.HasField("now") else datetime.now(UTC)
        group = read_definition(evaluation.definition)
        at = Moment.at(now, past=evaluation.past, runs=dict(evaluation.runs))
        found = await self._engine.lookups.ask(lambda client: explain(client, person, group, at))
        return pb.ExplainConditionsResponse(conditions=[_result(one) for one in found])

    async def SimulateArrival(self, request: pb.SimulateArrivalRequest, context: Context) -> pb.SimulateArrivalResponse:
        person, now = _person(request.user_ids), datetime.now(UTC)
        groups = [read_definition(definition) for definition in request.definitions]
        at = Moment.at(now, past=False, runs=dict(request.runs))
        arrival = Arrival(
            event_type=request.event.event_type,
            occurred_at=moment(request.event.occurred_at),
            received_at=now,
            payload=request.event.payload,
        )
        async with self._turn:
            found = await self._engine.lookups.ask(lambda client: changes(client, person, groups, at, arrival))
        return pb.SimulateArrivalResponse(entered=found.entered, exited=found.exited)


def _person(user_ids: Sequence[str]) -> Person:
    if not user_ids:
        raise Invalid({"user_ids": ["A person has an id."]})
    return Person(tenant_id=current_caller().tenant, user_ids=list(user_ids))


def _result(one: Explained) -> pb.ConditionResult:
    return pb.ConditionResult(
        matches=one.holds,
        actual_value=one.fact.value,
        event_count=one.fact.count,
        events=[_event(event) for event in one.fact.events],
    )


def _event(event: Happened) -> pb.DecidingEvent:
    return pb.DecidingEvent(
        event_id=event.event_id, event_type=event.event_type, occurred_at=timestamp(event.occurred_at)
    )
