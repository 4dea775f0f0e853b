"""The ingestion service: takes events into the event log."""

from datetime import UTC, datetime

from services.gen.segops.ingestion.v1 import ingestion_pb2_grpc
from services.ingestion.error_list import ErrorList
from services.ingestion.intake import Intake
from services.ingestion.publisher import Publisher
from services.ingestion.servicer import IngestionServicer
from services.kit.eventlog import EventLog
from services.kit.postgres import Database
from services.kit.server import Service, run
from services.kit.settings import Settings


async def main(settings: Settings) -> None:
    """Serves until told to stop."""
    service = Service("ingestion", settings)
    database = Database.connect(settings)
    service.resources.push_async_callback(database.close)
    event_log = await EventLog.connect(settings)
    service.resources.push_async_callback(event_log.close)
    service.watch(event_log.check)
    service.watch(database.check)
    errors = ErrorList(database)
    service.resources.push_async_callback(errors.close)
    intake = Intake(storage=Publisher(event_log), errors=errors, clock=lambda: datetime.now(UTC))
    ingestion_pb2_grpc.add_IngestionServiceServicer_to_server(IngestionServicer(intake, errors), service.server)
    await service.serve("segops.ingestion.v1.IngestionService")


if __name__ == "__main__":
    run("ingestion", main)
