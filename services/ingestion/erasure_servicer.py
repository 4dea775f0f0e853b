"""ErasureService of ingestion: unpack, call, pack."""

from services.gen.segops.ingestion.v1 import erasure_pb2 as pb
from services.gen.segops.ingestion.v1 import erasure_pb2_grpc
from services.ingestion.erasing import Eraser
from services.kit.caller import current_caller
from services.kit.context import Context


class ErasureServicer(erasure_pb2_grpc.ErasureServiceServicer):
    """Erases users of the caller's tenant."""

    def __init__(self, eraser: Eraser) -> None:
        self._eraser = eraser

    async def EraseLists(self, request: pb.EraseListsRequest, context: Context) -> pb.EraseListsResponse:
        erased = await self._eraser.erase(current_caller().tenant, request.user_ids)
        return pb.EraseListsResponse(
            stores=[pb.ErasedStore(store=store, erased=count) for store, count in erased.items()]
        )
