"""ErasureService of connectors: unpack, call, pack."""

from services.connectors.erasing import Eraser
from services.gen.segops.connectors.v1 import erasure_pb2 as pb
from services.gen.segops.connectors.v1 import erasure_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context


class ErasureServicer(erasure_pb2_grpc.ErasureServiceServicer):
    """Erases users of the caller's tenant."""

    def __init__(self, eraser: Eraser) -> None:
        self._eraser = eraser

    async def FindRecipients(self, request: pb.FindRecipientsRequest, context: Context) -> pb.FindRecipientsResponse:
        await self._eraser.find(current_caller().tenant, request.erasure_id, request.user_ids)
        return pb.FindRecipientsResponse()

    async def TellRecipients(self, request: pb.TellRecipientsRequest, context: Context) -> pb.TellRecipientsResponse:
        told = await self._eraser.tell(current_caller().tenant, request.erasure_id, request.user_ids)
        return pb.TellRecipientsResponse(told=told.told, waiting=told.waiting, last_error=told.last_error)

    async def ForgetErasure(self, request: pb.ForgetErasureRequest, context: Context) -> pb.ForgetErasureResponse:
        await self._eraser.forget(current_caller().tenant, request.erasure_id)
        return pb.ForgetErasureResponse()
