"""Sums over events over gRPC: unpack, call, pack."""

from services.gen.segops.warehouse.v1 import totals_pb2 as pb
from services.gen.segops.warehouse.v1 import totals_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.wire import moment
from services.warehouse import totals
from services.warehouse.engine import Engine


class TotalsServicer(totals_pb2_grpc.TotalsServiceServicer):
    """Answers for the caller's tenant."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def GetTotals(self, request: pb.GetTotalsRequest, context: Context) -> pb.Totals:
        tenant_id, now, since = current_caller().tenant, moment(request.now), [moment(each) for each in request.since]
        found = await self._engine.lookups.ask(
            lambda client: totals.totals(client, tenant_id, now, since, linked=bool(request.links))
        )
        return pb.Totals(events=found.events, windows=found.windows, users=found.users)

    async def CountStored(self, request: pb.CountStoredRequest, context: Context) -> pb.CountStoredResponse:
        tenant_id, begin, end = current_caller().tenant, moment(getattr(request, "from")), moment(request.to)
        events = await self._engine.lookups.ask(lambda client: totals.stored(client, tenant_id, begin, end))
        return pb.CountStoredResponse(events=events)
