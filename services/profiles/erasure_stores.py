"""The services that hold something of users, as an erasure calls them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import grpc

from services.gen.segops.connectors.v1 import erasure_pb2 as connectors_pb
from services.gen.segops.connectors.v1 import erasure_pb2_grpc as connectors_grpc
from services.gen.segops.ingestion.v1 import erasure_pb2 as ingestion_pb
from services.gen.segops.ingestion.v1 import erasure_pb2_grpc as ingestion_grpc
from services.gen.segops.segments.v1 import erasure_pb2 as segments_pb
from services.gen.segops.segments.v1 import erasure_pb2_grpc as segments_grpc
from services.gen.segops.warehouse.v1 import erasure_pb2 as warehouse_pb
from services.gen.segops.warehouse.v1 import erasure_pb2_grpc as warehouse_grpc
from services.kit.channel import call
from services.kit.wire import timestamp
from services.profiles.erasing import CONNECTORS, Erased

# Tables of the warehouse have names that those of PostgreSQL have too.
WAREHOUSE = "warehouse."

# Some wait for a compute, or for an export, that takes minutes.
WAIT_SECONDS = 900.0
# Reading all that the log has of a tenant.
LOG_SECONDS = 6 * 3600.0


class ErasureStores:
    """All of them, called in an order in which nobody can bring a user back."""

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._warehouse = warehouse_grpc.ErasureServiceStub(channels["warehouse"])
        self._segments = segments_grpc.ErasureServiceStub(channels["segments"])
        self._connectors = connectors_grpc.ErasureServiceStub(channels["connectors"])
        self._ingestion = ingestion_grpc.ErasureServiceStub(channels["ingestion"])

    async def block(self, user_ids: Sequence[str], until: datetime) -> None:
        """As `Stores` says."""
        await call(
            self._warehouse.BlockUsers, warehouse_pb.BlockUsersRequest(user_ids=user_ids, until=timestamp(until))
        )

    async def erase(self, erasure_id: int, user_ids: Sequence[str]) -> tuple[Mapping[str, int], Erased]:
        """As `Stores` says."""
        # Computes that begin from now on leave the users out. Then nothing adds to the ledger, and it tells which
        # connectors have sent them; when it has forgotten them, no sync sends them again.
        await call(self._segments.AwaitComputes, segments_pb.AwaitComputesRequest(), seconds=WAIT_SECONDS)
        whom = connectors_pb.FindRecipientsRequest(erasure_id=erasure_id, user_ids=user_ids)
        await call(self._connectors.FindRecipients, whom)
        members = segments_pb.EraseMembersRequest(user_ids=user_ids)
        found = _counts(await call(self._segments.EraseMembers, members, seconds=WAIT_SECONDS))
        await self._tell(erasure_id, user_ids)
        lists = ingestion_pb.EraseListsRequest(user_ids=user_ids)
        found |= _counts(await call(self._ingestion.EraseLists, lists))
        rows = warehouse_pb.EraseRowsRequest(user_ids=user_ids)
        found |= _counts(await call(self._warehouse.EraseRows, rows, seconds=WAIT_SECONDS), WAREHOUSE)
        messages = warehouse_pb.EraseLogRequest(user_ids=user_ids)
        found |= _counts(await call(self._warehouse.EraseLog, messages, seconds=LOG_SECONDS))
        return found, await self._tell(erasure_id, user_ids)

    async def release(self, erasure_id: int, user_ids: Sequence[str]) -> None:
        """As `Stores` says."""
        await call(self._connectors.ForgetErasure, connectors_pb.ForgetErasureRequest(erasure_id=erasure_id))
        await call(self._warehouse.ReleaseUsers, warehouse_pb.ReleaseUsersRequest(user_ids=user_ids))

    async def _tell(self, erasure_id: int, user_ids: Sequence[str]) -> Erased:
        request = connectors_pb.TellRecipientsRequest(erasure_id=erasure_id, user_ids=user_ids)
        told = await call(self._connectors.TellRecipients, request)
        return Erased(store=CONNECTORS, erased=told.told, remaining=told.waiting, detail=told.last_error or None)


def _counts(answer: Any, prefix: str = "") -> dict[str, int]:
    return {f"{prefix}{entry.store}": entry.erased for entry in answer.stores}
