"""ErasureService of profiles: unpack, call, pack."""

from services.gen.segops.profiles.v1 import erasures_pb2 as pb
from services.gen.segops.profiles.v1 import erasures_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.wire import nullable, nullable_time, whole_seconds
from services.profiles.erasing import Erasures
from services.profiles.requests import checked_user_id


class ErasureServicer(erasures_pb2_grpc.ErasureServiceServicer):
    """Erasures of the caller's tenant."""

    def __init__(self, erasures: Erasures) -> None:
        self._erasures = erasures

    async def EraseUser(self, request: pb.EraseUserRequest, context: Context) -> pb.QueuedErasure:
        erasure = await self._erasures.request(current_caller().tenant, checked_user_id(request.user_id))
        return pb.QueuedErasure(
            id=erasure.id,
            erasure_id=erasure.id,
            status=erasure.status,
            requested_at=whole_seconds(erasure.requested_at),
        )

    async def GetErasure(self, request: pb.GetErasureRequest, context: Context) -> pb.Erasure:
        erasure = await self._erasures.find(current_caller().tenant, request.id)
        return pb.Erasure(
            id=erasure.id,
            status=erasure.status,
            requested_at=whole_seconds(erasure.requested_at),
            completed_at=nullable_time(erasure.completed_at),
            stores=[
                pb.ErasedStore(
                    store=entry["store"],
                    erased=entry["erased"],
                    remaining=entry["remaining"],
                    detail=nullable(entry["detail"]),
                )
                for entry in erasure.stores
            ],
        )
