"""The warehouse's part of a backup, through its process: nobody else can open the engine."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import grpc

from services.gen.segops.warehouse.v1 import backup_pb2 as pb
from services.gen.segops.warehouse.v1 import backup_pb2_grpc, warehouse_pb2, warehouse_pb2_grpc
from services.kit.caller import IDENTITY_HEADER, Caller, mint
from services.kit.channel import OPTIONS
from services.kit.failures import RpcFailure, from_rpc_error
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.settings import Settings

CALL_SECONDS = 90.0
# A backup takes as long as it takes.
NO_LIMIT = None


class Warehouse:
    """Calls the warehouse as the operator, also while nothing else runs: it signs its identity by itself."""

    def __init__(self, settings: Settings, channel: grpc.Channel) -> None:
        self._settings = settings
        self._stub: Any = backup_pb2_grpc.BackupServiceStub(channel)
        self._positions: Any = warehouse_pb2_grpc.WarehouseServiceStub(channel)

    def backup(self) -> Iterator[pb.BackupPiece]:
        """What the warehouse keeps. Raises a failure of the warehouse's."""
        with _failures():
            yield from self._stub.Backup(pb.BackupRequest(), metadata=self._metadata(), timeout=NO_LIMIT)

    def restore(self, pieces: Iterable[pb.BackupPiece]) -> pb.RestoreResponse:
        """Stores what was kept; nothing is loaded from then on. Raises a failure of the warehouse's."""
        with _failures():
            answer: pb.RestoreResponse = self._stub.Restore(iter(pieces), metadata=self._metadata(), timeout=NO_LIMIT)
            return answer

    def resume(self, loaded_through: int) -> None:
        """Lets it load on. Raises a failure of the warehouse's."""
        with _failures():
            request = pb.ResumeLoadingRequest(loaded_through=loaded_through)
            self._stub.ResumeLoading(request, metadata=self._metadata(), timeout=CALL_SECONDS)

    def loaded(self) -> int:
        """Up to which message of the log it has loaded. Raises a failure of the warehouse's."""
        with _failures():
            request = warehouse_pb2.GetLoadPositionRequest()
            answer = self._positions.GetLoadPosition(request, metadata=self._metadata(), timeout=CALL_SECONDS)
            return int(answer.sequence)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        caller = Caller(kind="service", service="segopsctl")
        return ((IDENTITY_HEADER, mint(caller, private_key(self._settings, INTERNAL_KEY))),)


@contextmanager
def warehouse(settings: Settings) -> Iterator[Warehouse]:
    """The warehouse of the platform."""
    with grpc.insecure_channel(settings.addresses("warehouse")[0], options=OPTIONS) as channel:
        yield Warehouse(settings, channel)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(cast(RpcFailure, error)) from error
