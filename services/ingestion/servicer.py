"""The RPCs of the ingestion service."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from google.api.httpbody_pb2 import HttpBody

from services.gen.segops.ingestion.v1 import ingestion_pb2, ingestion_pb2_grpc
from services.ingestion import stats
from services.ingestion.bodies import require_json
from services.ingestion.error_list import ErrorList
from services.ingestion.intake import Intake
from services.ingestion.senders import current_sender
from services.ingestion.stream import answer_in_order
from services.ingestion.typed import result_of, texts_of
from services.ingestion.warehouse import Warehouse
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.paging import page_of
from services.kit.wire import nullable, whole_seconds


class IngestionServicer(ingestion_pb2_grpc.IngestionServiceServicer):
    """Takes events, lists the refused ones and tells what became of all."""

    def __init__(self, intake: Intake, errors: ErrorList, warehouse: Warehouse) -> None:
        self._intake = intake
        self._errors = errors
        self._warehouse = warehouse

    async def Track(self, request: HttpBody, context: Context) -> ingestion_pb2.TrackResponse:
        require_json(request.content_type)
        taken = await self._intake.track(current_sender(), request.data)
        return ingestion_pb2.TrackResponse(queued=True, duplicate=taken.duplicate > 0)

    async def TrackBatch(self, request: HttpBody, context: Context) -> ingestion_pb2.TrackBatchResponse:
        require_json(request.content_type)
        taken = await self._intake.track_batch(current_sender(), request.data)
        return ingestion_pb2.TrackBatchResponse(
            queued=taken.queued, skipped=len(taken.refused), duplicate=taken.duplicate
        )

    async def GetStats(self, request: ingestion_pb2.GetStatsRequest, context: Context) -> ingestion_pb2.Stats:
        period = stats.period(getattr(request, "from"), request.to, datetime.now(UTC))
        hours = await self._warehouse.stats(period.begin, period.end)
        totals = stats.totals(hours)
        return ingestion_pb2.Stats(
            received=totals.received,
            stored=totals.stored,
            duplicate=totals.duplicate,
            skipped=totals.skipped,
            hours=[_hour_stats(hour) for hour in hours],
            to=whole_seconds(period.end),
            **{"from": whole_seconds(period.begin)},
        )

    async def TrackEvents(
        self, request: ingestion_pb2.TrackEventsRequest, context: Context
    ) -> ingestion_pb2.TrackEventsResponse:
        return result_of(await self._intake.track_texts(current_sender(), texts_of(request.events)))

    async def TrackStream(
        self, request_iterator: AsyncIterator[ingestion_pb2.TrackStreamRequest], context: Context
    ) -> AsyncIterator[ingestion_pb2.TrackStreamResponse]:
        async for response in answer_in_order(request_iterator, self._track_stream_batch):
            yield response

    async def _track_stream_batch(self, request: ingestion_pb2.TrackStreamRequest) -> ingestion_pb2.TrackStreamResponse:
        texts = texts_of(request.events, f"batch {request.batch}")
        taken = await self._intake.track_texts(current_sender(), texts)
        return ingestion_pb2.TrackStreamResponse(batch=request.batch, result=result_of(taken))

    async def ListErrors(self, request: ingestion_pb2.ListErrorsRequest, context: Context) -> ingestion_pb2.ErrorPage:
        page = page_of(request)
        count, errors = await self._errors.page(current_caller().tenant, page, request.event_type)
        return ingestion_pb2.ErrorPage(
            count=count,
            next=nullable(page.next_url(count)),
            previous=nullable(page.previous_url()),
            results=[
                ingestion_pb2.EventError(
                    received_at=whole_seconds(error.received_at),
                    event_type=error.event_type,
                    user_id=error.user_id,
                    error=error.error,
                )
                for error in errors
            ],
        )


def _hour_stats(hour: stats.HourStats) -> ingestion_pb2.HourStats:
    return ingestion_pb2.HourStats(
        hour=whole_seconds(hour.hour),
        event_type=hour.event_type,
        received=hour.received,
        stored=hour.stored,
        duplicate=hour.duplicate,
        skipped=hour.skipped,
    )
