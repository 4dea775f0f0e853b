"""EvaluationService: unpack, call, pack."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from services.gen.segops.segments.v1 import evaluations_pb2 as pb
from services.gen.segops.segments.v1 import evaluations_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.postgres import Database
from services.segments.evaluation import Evaluations
from services.segments.ready import Ready, active_segments, ready_segment


class EvaluationServicer(evaluations_pb2_grpc.EvaluationServiceServicer):
    """Segments of the caller's tenant, ready to evaluate."""

    def __init__(self, database: Database, evaluations: Evaluations) -> None:
        self._database = database
        self._evaluations = evaluations

    async def GetReadySegment(self, request: pb.GetReadySegmentRequest, context: Context) -> pb.ReadySegment:
        return _message(await ready_segment(self._database, self._evaluations, current_caller().tenant, request.id))

    async def ListReadySegments(
        self, request: pb.ListReadySegmentsRequest, context: Context
    ) -> AsyncIterator[pb.ReadySegments]:
        async with aclosing(active_segments(self._database, self._evaluations, current_caller().tenant)) as batches:
            async for batch in batches:
                yield pb.ReadySegments(segments=[_message(segment) for segment in batch])


def _message(segment: Ready) -> pb.ReadySegment:
    return pb.ReadySegment(
        id=segment.id,
        name=segment.name,
        definition=segment.definition,
        referred=[pb.ReferredSegment(id=one.id, name=one.name, run=one.run) for one in segment.referred],
    )
