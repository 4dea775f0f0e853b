"""Taking events: an answer without a failure means that what it counts as queued is on disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.ingestion import batches, bodies, events, rows, times
from services.ingestion.batches import Refused
from services.ingestion.rows import Columns, Rows
from services.ingestion.store import EventError
from services.kit.errors import Invalid

Clock = Callable[[], datetime]


class Storage(Protocol):
    """Where rows go."""

    async def store(self, tenant_id: int, rows: Rows) -> None:
        """Returns once the rows are on disk; raises Unavailable when they are not and will not be."""


class Errors(Protocol):
    """Where refused events are listed."""

    def add(self, tenant_id: int, errors: Sequence[EventError]) -> None:
        """Takes errors without waiting."""


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Checks, encodes and stores events, and lists those it refuses."""

    storage: Storage
    errors: Errors
    clock: Clock

    async def track(self, tenant_id: int, body: bytes) -> None:
        """Takes the one event in a JSON body. Raises Invalid with every wrong field, and Unavailable."""
        received_at = self.clock()
        text = bodies.compact(body)
        if not text.startswith(b"{"):
            raise Invalid(detail="The body must be a JSON object.")
        try:
            event = events.parse_event(text, received_at)
        except Invalid as error:
            self._list(tenant_id, received_at, [Refused(text=text, error=error)])
            raise
        await self._store(tenant_id, received_at, batches.columns_of([event]))

    async def track_batch(self, tenant_id: int, body: bytes) -> tuple[int, int]:
        """Takes the valid ones of the events in a JSON body: how many those are, and how many others.

        Raises Invalid when the body is no batch, and Unavailable.
        """
        received_at = self.clock()
        batch = batches.parse_batch(bodies.compact(body), received_at)
        taken = len(batch.columns.user_ids)
        if taken:
            await self._store(tenant_id, received_at, batch.columns)
        self._list(tenant_id, received_at, batch.refused)
        return taken, len(batch.refused)

    async def _store(self, tenant_id: int, received_at: datetime, columns: Columns) -> None:
        await self.storage.store(tenant_id, rows.encode(tenant_id, times.utc_text(received_at), columns))

    def _list(self, tenant_id: int, received_at: datetime, refused: Sequence[Refused]) -> None:
        self.errors.add(tenant_id, [_listed(item, received_at) for item in refused])


def _listed(refused: Refused, received_at: datetime) -> EventError:
    messages = [f"{name}: {' '.join(texts)}" for name, texts in refused.error.fields.items()]
    return EventError(
        received_at=received_at,
        event_type=events.shown(refused.text, "event_type", events.MAX_EVENT_TYPE),
        user_id=events.shown(refused.text, "user_id", events.MAX_USER_ID),
        error=" ".join(messages),
    )
