"""ErasureService of segments: unpack, call, pack."""

from services.gen.segops.segments.v1 import erasure_pb2 as pb
from services.gen.segops.segments.v1 import erasure_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.segments.erasing import Eraser


class ErasureServicer(erasure_pb2_grpc.ErasureServiceServicer):
    """Erases users of the caller's tenant."""

    def __init__(self, eraser: Eraser) -> None:
        self._eraser = eraser

    async def AwaitComputes(self, request: pb.AwaitComputesRequest, context: Context) -> pb.AwaitComputesResponse:
        await self._eraser.await_computes(current_caller().tenant)
        return pb.AwaitComputesResponse()

    async def EraseMembers(self, request: pb.EraseMembersRequest, context: Context) -> pb.EraseMembersResponse:
        found = await self._eraser.erase(current_caller().tenant, request.user_ids)
        return pb.EraseMembersResponse(
            stores=[pb.ErasedStore(store=store, erased=count) for store, count in found.items()]
        )
