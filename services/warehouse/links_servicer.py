"""The mirror of links over gRPC."""

from services.gen.segops.warehouse.v1 import links_pb2 as pb
from services.gen.segops.warehouse.v1 import links_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.warehouse import link_mirror
from services.warehouse.engine import Engine
from services.warehouse.loading.erased import ErasedUsers


class LinkMirrorServicer(links_pb2_grpc.LinkMirrorServiceServicer):
    """Takes the links of the caller's tenant."""

    def __init__(self, engine: Engine, erased: ErasedUsers) -> None:
        self._engine = engine
        self._erased = erased

    async def GetLinkPosition(self, request: pb.GetLinkPositionRequest, context: Context) -> pb.LinkPosition:
        tenant_id, layout = current_caller().tenant, self._engine.layout
        return pb.LinkPosition(
            version=await self._engine.lookups.ask(lambda client: link_mirror.position(client, tenant_id, layout))
        )

    async def AppendLinks(self, request: pb.AppendLinksRequest, context: Context) -> pb.AppendLinksResponse:
        tenant_id, layout = current_caller().tenant, self._engine.layout
        lines = self._erased.lines_of_others(tenant_id, request.copy_text, link_mirror.USER_COLUMNS)
        if lines or not request.copy_text:
            await self._engine.mirrors.ask(lambda client: link_mirror.append(client, tenant_id, lines, layout))
        return pb.AppendLinksResponse()
