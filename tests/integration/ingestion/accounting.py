"""Callers of ingestion services whose events are loaded, and what the accounts say of them."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
from google.api.httpbody_pb2 import HttpBody

from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb
from services.gen.segops.ingestion.v1 import ingestion_pb2_grpc
from services.kit.caller import IDENTITY_HEADER, Caller, mint
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.settings import Settings
from tests.running import wait_for

# Apart from the tenants that other tests make.
_tenants = itertools.count(1_800_000_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What became of events."""

    stored: int = 0
    duplicate: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            stored=self.stored + other.stored,
            duplicate=self.duplicate + other.duplicate,
            skipped=self.skipped + other.skipped,
        )


class Sender:
    """One tenant's caller, of one replica or the other."""

    def __init__(self, settings: Settings, *channels: grpc.Channel, role: str = "owner") -> None:
        self.stubs = [ingestion_pb2_grpc.IngestionServiceStub(channel) for channel in channels]
        caller = Caller(kind="person", tenant_id=next(_tenants), user_id=1, role=role)
        self._metadata = ((IDENTITY_HEADER, mint(caller, private_key(settings, INTERNAL_KEY))),)

    def batch(self, events: Sequence[object], replica: int = 0) -> Counts:
        """Sends a batch; what the answer says of it."""
        request = HttpBody(content_type="application/json", data=json.dumps({"events": events}).encode())
        answer: pb.TrackBatchResponse = self.stubs[replica].TrackBatch(request, metadata=self._metadata, timeout=20)
        return Counts(stored=answer.queued, duplicate=answer.duplicate, skipped=answer.skipped)

    def track(self, event: object, replica: int = 0) -> bool:
        """Sends one event; whether the answer says that it was known."""
        request = HttpBody(content_type="application/json", data=json.dumps(event).encode())
        answer: pb.TrackResponse = self.stubs[replica].Track(request, metadata=self._metadata, timeout=20)
        assert answer.queued
        return answer.duplicate

    def stats(self, since: str = "", to: str = "") -> pb.Stats:
        """The statistics."""
        request = pb.GetStatsRequest(**{"from": since}, to=to)
        answer: pb.Stats = self.stubs[0].GetStats(request, metadata=self._metadata, timeout=20)
        return answer

    def accounts(self) -> dict[str, Counts]:
        """What became of the events of each type in the last hours, after checking that everything adds up."""
        stats = self.stats()
        parts: list[pb.Stats | pb.HourStats] = [stats, *stats.hours]
        assert all(part.received == part.stored + part.duplicate + part.skipped for part in parts)
        order = [(hour.hour.seconds, hour.event_type) for hour in stats.hours]
        assert order == sorted(set(order))
        by_type: dict[str, Counts] = {}
        for hour in stats.hours:
            counts = Counts(stored=int(hour.stored), duplicate=int(hour.duplicate), skipped=int(hour.skipped))
            by_type[hour.event_type] = by_type.get(hour.event_type, Counts()) + counts
        total = sum(by_type.values(), Counts())
        assert (stats.stored, stats.duplicate, stats.skipped) == (total.stored, total.duplicate, total.skipped)
        return by_type

    def accounted(self, received: int) -> dict[str, Counts]:
        """The accounts, once so many events are in them."""
        wait_for(lambda: self.stats().received >= received)
        return self.accounts()


def event(event_type: str = "t", message_id: str | None = None, **fields: object) -> dict[str, object]:
    """A valid event."""
    return {"user_id": "u", "event_type": event_type, "message_id": message_id, **fields}


def too_early() -> str:
    """A time that no event may have yet."""
    return (datetime.now(UTC) + timedelta(days=2)).isoformat()
