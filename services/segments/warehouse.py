"""What segments asks of the warehouse service."""

from collections.abc import AsyncGenerator

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.gen.segops.warehouse.v1 import warehouse_pb2_grpc
from services.kit.channel import call, connect, stream
from services.kit.link_mirror import LinkMirror
from services.kit.settings import Settings
from services.kit.wire import timestamp
from services.segments.diff import Diff
from services.segments.estimate import Estimate
from services.segments.evaluation import Evaluation
from services.segments.preview import Preview
from services.segments.values import encoded

# Computes wait for each other in the warehouse; each may take a minute there.
STREAM_SECONDS = 600.0


class Warehouse:
    """The warehouse, asked for the current caller."""

    def __init__(self, settings: Settings) -> None:
        self._channel = connect(settings, "warehouse")
        self._stub = warehouse_pb2_grpc.WarehouseServiceStub(self._channel)
        self.links = LinkMirror(self._channel)

    async def preview(self, evaluation: Evaluation, limit: int) -> Preview:
        """How many users match, with up to `limit` ids."""
        request = pb.PreviewDefinitionRequest(evaluation=_message(evaluation), sample_limit=limit)
        found = await call(self._stub.PreviewDefinition, request)
        return Preview(matched_users=found.matched_users, sample_user_ids=found.sample_user_ids, sql=found.sql)

    async def diff(self, evaluation: Evaluation, segment_id: int, limit: int) -> Diff:
        """Who matches beside who is a member of a segment, with up to `limit` ids of each kind."""
        request = pb.DiffDefinitionRequest(evaluation=_message(evaluation), segment_id=segment_id, sample_limit=limit)
        found = await call(self._stub.DiffDefinition, request)
        return Diff(
            entering=found.entering,
            leaving=found.leaving,
            staying=found.staying,
            sample_entering_ids=found.sample_entering_ids,
            sample_leaving_ids=found.sample_leaving_ids,
        )

    async def estimate(self, evaluation: Evaluation) -> Estimate:
        """About how many users match."""
        request = pb.EstimateDefinitionRequest(evaluation=_message(evaluation))
        found = await call(self._stub.EstimateDefinition, request)
        return Estimate(
            estimated_users=found.estimated_users,
            sampled=found.sampled,
            sample_size=found.sample_size,
            total_users=found.total_users,
        )

    async def stream(self, evaluation: Evaluation) -> AsyncGenerator[bytes]:
        """The users who match, in byte order, one a line in COPY's text format."""
        request = pb.StreamMatchesRequest(evaluation=_message(evaluation))
        async for chunk in stream(self._stub.StreamMatches, request, seconds=STREAM_SECONDS):
            yield chunk.copy_text

    async def mirror_position(self, segment_id: int) -> tuple[int, str]:
        """Run and user of the last change of a segment's ledger that is mirrored; run 0 when none is."""
        position = await call(self._stub.GetMirrorPosition, pb.GetMirrorPositionRequest(segment_id=segment_id))
        return position.run_id, position.user_id

    async def append_changes(self, segment_id: int, copy_text: bytes) -> None:
        """Mirrors changes of a segment's ledger, whole lines of COPY's text format."""
        request = pb.AppendMembershipChangesRequest(segment_id=segment_id, copy_text=copy_text)
        await call(self._stub.AppendMembershipChanges, request)

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()


def _message(evaluation: Evaluation) -> pb.Evaluation:
    return pb.Evaluation(
        definition=encoded(evaluation.definition),
        now=timestamp(evaluation.now) if evaluation.now else None,
        past=evaluation.past,
        runs=evaluation.runs,
        links=evaluation.links,
    )
