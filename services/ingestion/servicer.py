"""The RPCs of the ingestion service."""

from google.api.httpbody_pb2 import HttpBody

from services.gen.segops.ingestion.v1 import ingestion_pb2, ingestion_pb2_grpc
from services.ingestion.bodies import require_json
from services.ingestion.error_list import ErrorList
from services.ingestion.intake import Intake
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.paging import page_of
from services.kit.wire import nullable, whole_seconds


class IngestionServicer(ingestion_pb2_grpc.IngestionServiceServicer):
    """Takes events and lists the refused ones."""

    def __init__(self, intake: Intake, errors: ErrorList) -> None:
        self._intake = intake
        self._errors = errors

    async def Track(self, request: HttpBody, context: Context) -> ingestion_pb2.TrackResponse:
        require_json(request.content_type)
        await self._intake.track(current_caller().tenant, request.data)
        return ingestion_pb2.TrackResponse(queued=True)

    async def TrackBatch(self, request: HttpBody, context: Context) -> ingestion_pb2.TrackBatchResponse:
        require_json(request.content_type)
        queued, skipped = await self._intake.track_batch(current_caller().tenant, request.data)
        return ingestion_pb2.TrackBatchResponse(queued=queued, skipped=skipped)

    async def ListErrors(self, request: ingestion_pb2.ListErrorsRequest, context: Context) -> ingestion_pb2.ErrorPage:
        page = page_of(request)
        count, errors = await self._errors.page(current_caller().tenant, page.limit, page.offset)
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
