"""EventCheckService: unpack, call, pack."""

from datetime import UTC, datetime

from google.api.httpbody_pb2 import HttpBody

from services.gen.segops.ingestion.v1 import checks_pb2 as pb
from services.gen.segops.ingestion.v1 import checks_pb2_grpc
from services.ingestion.bodies import require_json
from services.ingestion.intake import Intake
from services.ingestion.senders import current_sender
from services.kit.context import Context
from services.kit.wire import timestamp


class EventCheckServicer(checks_pb2_grpc.EventCheckServiceServicer):
    """Checks events for the caller's tenant."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def CheckEvent(self, request: HttpBody, context: Context) -> pb.CheckedEvent:
        require_json(request.content_type)
        checked = await self._intake.check(current_sender(), request.data)
        event = checked.event
        return pb.CheckedEvent(
            user_id=event.user_id,
            event_type=event.event_type,
            occurred_at=timestamp(datetime.fromisoformat(event.occurred_at).replace(tzinfo=UTC)),
            payload=event.payload,
            duplicate=checked.duplicate,
        )
