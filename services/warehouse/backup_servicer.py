"""BackupService of the warehouse: unpack, call, pack."""

from collections.abc import AsyncIterator

from services.gen.segops.warehouse.v1 import backup_pb2 as pb
from services.gen.segops.warehouse.v1 import backup_pb2_grpc
from services.kit.context import Context
from services.warehouse import backup
from services.warehouse.engine import Engine
from services.warehouse.loading.loader import Loader
from services.warehouse.loading.replay import Replay
from services.warehouse.operator import require_operator


class BackupServicer(backup_pb2_grpc.BackupServiceServicer):
    """Copies everything, for the operator alone."""

    def __init__(self, engine: Engine, loader: Loader, replay: Replay) -> None:
        self._engine = engine
        self._loader = loader
        self._replay = replay

    async def Backup(self, request: pb.BackupRequest, context: Context) -> AsyncIterator[pb.BackupPiece]:
        require_operator()
        backup.require_one_engine(self._engine)
        async with self._replay.none():
            through = await backup.loaded_through(self._loader)
            events = await self._engine.lookups.ask(backup.count_events)
            yield pb.BackupPiece(loaded_through=through, events=events)
            async for part, lines in backup.read(self._engine, self._loader, through):
                yield pb.BackupPiece(part=part, lines=lines)

    async def Restore(self, request: AsyncIterator[pb.BackupPiece], context: Context) -> pb.RestoreResponse:
        require_operator()
        restoring = backup.Restoring(self._engine, self._loader)
        await restoring.begin()
        async for piece in request:
            await restoring.take(piece.part, piece.lines)
        await restoring.end()
        events = await self._engine.lookups.ask(backup.count_events)
        return pb.RestoreResponse(events=events, ids=self._loader.duplicates.count())

    async def ResumeLoading(self, request: pb.ResumeLoadingRequest, context: Context) -> pb.ResumeLoadingResponse:
        require_operator()
        await backup.resume(self._loader, request.loaded_through)
        return pb.ResumeLoadingResponse()
