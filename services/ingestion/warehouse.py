"""What ingestion asks of the warehouse service."""

from collections.abc import Sequence
from datetime import datetime

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.gen.segops.warehouse.v1 import warehouse_pb2_grpc
from services.ingestion.stats import HourStats
from services.kit.channel import call, connect
from services.kit.settings import Settings
from services.kit.wire import moment, timestamp

# Longer than the warehouse lets a question run.
STATS_SECONDS = 12.0
# A sender waits no longer than this to be told of duplicates.
KNOWN_SECONDS = 0.1


class Warehouse:
    """The warehouse, asked for the current caller."""

    def __init__(self, settings: Settings) -> None:
        self._channel = connect(settings, "warehouse")
        self._stub = warehouse_pb2_grpc.WarehouseServiceStub(self._channel)

    async def stats(self, begin: datetime, end: datetime) -> Sequence[HourStats]:
        """What became of the events received in whole hours, by hour, then event type. Raises Unavailable."""
        request = pb.GetIntakeRequest(to=timestamp(end), **{"from": timestamp(begin)})
        intake = await call(self._stub.GetIntake, request, seconds=STATS_SECONDS)
        return [
            HourStats(
                hour=moment(row.hour),
                event_type=row.event_type,
                stored=row.stored,
                duplicate=row.duplicate,
                skipped=row.skipped,
            )
            for row in intake.hours
        ]

    async def known(self, event_ids: Sequence[bytes]) -> Sequence[bool]:
        """Which event ids, 16 bytes each, were loaded within 24 hours. Raises Unavailable, and soon."""
        request = pb.FindKnownEventsRequest(event_ids=b"".join(event_ids))
        answer = await call(self._stub.FindKnownEvents, request, seconds=KNOWN_SECONDS)
        return [bool(known) for known in answer.known]

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()
