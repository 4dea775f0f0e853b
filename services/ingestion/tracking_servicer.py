"""The RPCs of the tracking API."""

from google.api.httpbody_pb2 import HttpBody

from services.gen.segops.ingestion.v1 import tracking_pb2 as pb
from services.gen.segops.ingestion.v1 import tracking_pb2_grpc
from services.ingestion.bodies import require_json
from services.ingestion.intake import Taken
from services.ingestion.senders import current_sender
from services.ingestion.tracking import Tracking
from services.kit.context import Context


class TrackingServicer(tracking_pb2_grpc.TrackingServiceServicer):
    """Takes calls of Segment's libraries."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    async def Batch(self, request: HttpBody, context: Context) -> pb.TrackingResponse:
        require_json(request.content_type)
        return _answer(await self._tracking.batch(current_sender(), request.data))

    async def TrackCall(self, request: HttpBody, context: Context) -> pb.TrackingResponse:
        return await self._call("track", request)

    async def IdentifyCall(self, request: HttpBody, context: Context) -> pb.TrackingResponse:
        return await self._call("identify", request)

    async def PageCall(self, request: HttpBody, context: Context) -> pb.TrackingResponse:
        return await self._call("page", request)

    async def ScreenCall(self, request: HttpBody, context: Context) -> pb.TrackingResponse:
        return await self._call("screen", request)

    async def GroupCall(self, request: HttpBody, context: Context) -> pb.TrackingResponse:
        return await self._call("group", request)

    async def AliasCall(self, request: HttpBody, context: Context) -> pb.TrackingResponse:
        return await self._call("alias", request)

    async def _call(self, kind_name: str, request: HttpBody) -> pb.TrackingResponse:
        require_json(request.content_type)
        return _answer(await self._tracking.call(current_sender(), kind_name, request.data))


def _answer(taken: Taken) -> pb.TrackingResponse:
    return pb.TrackingResponse(success=True, queued=taken.queued, skipped=len(taken.refused), duplicate=taken.duplicate)
