"""ErasureService of the warehouse: unpack, call, pack."""

from collections import Counter
from collections.abc import Iterable

from services.gen.segops.warehouse.v1 import erasure_pb2 as pb
from services.gen.segops.warehouse.v1 import erasure_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.wire import moment
from services.warehouse import erasing
from services.warehouse.engine import Engine
from services.warehouse.loading import rewriting
from services.warehouse.loading.loader import Loader
from services.warehouse.sharing import Shared


class ErasureServicer(erasure_pb2_grpc.ErasureServiceServicer):
    """Erases users of the caller's tenant."""

    def __init__(self, engine: Engine, loader: Loader) -> None:
        self._erased = loader.erased
        self._rows = Shared(
            lambda tenant_id, users: engine.erasures.ask(
                lambda client: erasing.erase(client, tenant_id, users, engine.layout)
            )
        )
        self._log = Shared(rewriting.LogRewriter(loader).erase)

    async def BlockUsers(self, request: pb.BlockUsersRequest, context: Context) -> pb.BlockUsersResponse:
        await self._erased.block(current_caller().tenant, request.user_ids, moment(request.until))
        return pb.BlockUsersResponse()

    async def EraseRows(self, request: pb.EraseRowsRequest, context: Context) -> pb.EraseRowsResponse:
        found = await self._rows.ask(current_caller().tenant, request.user_ids)
        return pb.EraseRowsResponse(stores=_stores(erasing.TABLES, found))

    async def EraseLog(self, request: pb.EraseLogRequest, context: Context) -> pb.EraseLogResponse:
        found = await self._log.ask(current_caller().tenant, request.user_ids)
        return pb.EraseLogResponse(stores=_stores((rewriting.LOG, rewriting.DEAD), found))

    async def ReleaseUsers(self, request: pb.ReleaseUsersRequest, context: Context) -> pb.ReleaseUsersResponse:
        await self._erased.release(current_caller().tenant, request.user_ids)
        return pb.ReleaseUsersResponse()


def _stores(names: Iterable[str], found: Counter[str]) -> list[pb.ErasedStore]:
    return [pb.ErasedStore(store=name, erased=found[name]) for name in names]
