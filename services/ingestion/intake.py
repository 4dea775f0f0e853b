"""Taking events: an answer without a failure means that what it counts as queued is on disk."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from services.ingestion import batches, bodies, events, metrics, rows, schemas, times
from services.ingestion.batches import Batch, Refused
from services.ingestion.erased import Erased
from services.ingestion.rows import Columns, Rows
from services.ingestion.schemas import Schema
from services.ingestion.store import EventError
from services.kit.errors import Failure, InDoubt, Invalid, Unavailable

Clock = Callable[[], datetime]

# Between the name of a request and the place of an event in it, and twice between a user and a message_id of theirs. No
# message_id that was sent holds a control character, so none is like those made of it.
PLACE_MARK = "\x1f"

# Characters of an error that is listed. A schema can find 200 properties wrong, with names as long as they may be.
MAX_ERROR = 1_000


class Storage(Protocol):
    """Where rows go."""

    async def store(self, tenant_id: int, rows: Rows) -> None:
        """Returns once the rows are on disk; raises Unavailable when they are not and will not be."""


class Errors(Protocol):
    """Where refused events are listed."""

    def add(self, tenant_id: int, errors: Sequence[EventError]) -> None:
        """Takes errors without waiting."""


class Rules(Protocol):
    """What a tenant declared."""

    async def schemas(self, tenant_id: int) -> Mapping[str, Schema]:
        """The schemas by event type, at most one second old. Raises Unavailable."""

    async def erased(self, tenant_id: int) -> Erased:
        """The users who were erased, at most one second old. Raises Unavailable."""


class Quota(Protocol):
    """How many events a tenant may send in a month."""

    def counted(self, tenant_id: int, count: int, now: datetime) -> AbstractAsyncContextManager[None]:
        """Counts events that are stored within the block, unless it ends with a failure.

        Raises QuotaExceeded, with the seconds to the end of the month, and Unavailable.
        """


class Known(Protocol):
    """Which event ids were taken before."""

    async def count(self, derived_ids: Sequence[str]) -> int:
        """How many of these were, or repeat another one among them. Never fails: what cannot be told is new."""

    def remember(self, derived_ids: Sequence[str]) -> None:
        """Notes ids that are on disk now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    """Whose events are taken.

    All of them are the user `uid`'s, when given, whatever they say. A request named by `once` is stored once, however
    often it comes.
    """

    tenant_id: int
    uid: str = ""
    once: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of the events of a request."""

    queued: int
    duplicate: int
    refused: Sequence[Refused]


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """An event that is not taken, and whether it would be a duplicate."""

    event: events.Event
    duplicate: bool


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Checks, encodes and stores events, and lists those it refuses."""

    storage: Storage
    errors: Errors
    rules: Rules
    quota: Quota
    known: Known
    clock: Clock

    async def track(self, sender: Sender, body: bytes) -> Taken:
        """Takes the one event in a JSON body. Raises Invalid with every wrong field, QuotaExceeded and Unavailable."""
        received_at = self.clock()
        taken = await self._take(sender, received_at, await self._one(sender, body, received_at))
        if taken.refused:
            raise taken.refused[0].error
        return taken

    async def check(self, sender: Sender, body: bytes) -> Checked:
        """The event in a JSON body as it would be stored. Raises Invalid with every wrong field, and Unavailable."""
        batch = await self._one(sender, body, self.clock())
        if batch.refused:
            raise batch.refused[0].error
        (message_id,) = _named(batch, sender).message_ids
        known = await self.known.count([rows.derived_id(sender.tenant_id, message_id)]) if message_id else 0
        return Checked(event=events.Event(*(column[0] for column in batch.columns)), duplicate=known > 0)

    async def track_batch(self, sender: Sender, body: bytes) -> Taken:
        """Takes the valid ones of the events in a JSON body.

        Raises Invalid when the body is no batch, QuotaExceeded and Unavailable.
        """
        received_at = self.clock()
        batch = batches.parse_batch(bodies.compact(body), received_at, sender.uid)
        return await self._take(sender, received_at, await self._checked(sender, batch))

    async def track_texts(self, sender: Sender, texts: Sequence[bytes], unreadable: Sequence[Refused] = ()) -> Taken:
        """Takes the valid ones of some events, each a compact JSON text. Raises QuotaExceeded and Unavailable.

        `unreadable` are those of the same request that could not be made into such texts.
        """
        received_at = self.clock()
        batch = batches.parse_events(texts, received_at, sender.uid)
        batch = replace(batch, refused=[*batch.refused, *unreadable])
        return await self._take(sender, received_at, await self._checked(sender, batch))

    async def _one(self, sender: Sender, body: bytes, received_at: datetime) -> Batch:
        text = bodies.compact(body)
        if not text.startswith(b"{"):
            raise Invalid(detail="The body must be a JSON object.")
        return await self._checked(sender, batches.parse_events([text], received_at, sender.uid))

    async def _checked(self, sender: Sender, batch: Batch) -> Batch:
        """The batch without those of its events that break their schema, others as their schema wants them.

        Users who were erased are not in it.
        """
        declared = await self.rules.schemas(sender.tenant_id)
        erased = await self.rules.erased(sender.tenant_id)
        return erased.apply(schemas.apply(declared, batch) if declared else batch)

    async def _take(self, sender: Sender, received_at: datetime, batch: Batch) -> Taken:
        tenant_id = sender.tenant_id
        refused = [_listed(item, received_at) for item in batch.refused]
        encoded = rows.encode(
            tenant_id,
            times.utc_text(received_at),
            _named(batch, sender),
            Counter(map(_valid_type, batch.refused, refused)),
        )
        ids = encoded.derived_ids
        duplicate = await self.known.count(ids) if ids else 0
        metrics.EVENTS.labels("invalid").inc(len(refused))
        try:
            async with self.quota.counted(tenant_id, encoded.count - duplicate, received_at):
                await self.storage.store(tenant_id, encoded)
        except Failure as failure:
            outcome = "not_stored" if isinstance(failure, Unavailable | InDoubt) else "refused"
            metrics.EVENTS.labels(outcome).inc(encoded.count)
            raise
        metrics.EVENTS.labels("accepted").inc(encoded.count - duplicate)
        metrics.EVENTS.labels("duplicate").inc(duplicate)
        if ids:
            self.known.remember(ids)
        self.errors.add(tenant_id, refused)
        return Taken(queued=encoded.count - duplicate, duplicate=duplicate, refused=batch.refused)


def _named(batch: Batch, sender: Sender) -> Columns:
    """The columns, with a message_id for every event when the request has a name.

    Those of an end user are apart from all others: a visitor who guesses the id of somebody's event could keep it out.
    """
    columns = batch.columns
    message_ids = columns.message_ids
    if sender.uid:
        message_ids = [message_id and f"{sender.uid}{PLACE_MARK}{PLACE_MARK}{message_id}" for message_id in message_ids]
    if sender.once:
        message_ids = [
            message_id or f"{sender.once}{PLACE_MARK}{place}"
            for message_id, place in zip(message_ids, batch.places, strict=True)
        ]
    return columns._replace(message_ids=message_ids)


def _valid_type(refused: Refused, listed: EventError) -> str:
    """The event type of a refused event; empty when it is among what is wrong."""
    return "" if "event_type" in refused.error.fields else listed.event_type


def _listed(refused: Refused, received_at: datetime) -> EventError:
    return EventError(
        received_at=received_at,
        event_type=events.shown(refused.text, "event_type", events.MAX_EVENT_TYPE),
        user_id=events.shown(refused.text, "user_id", events.MAX_USER_ID),
        error=refused.message[:MAX_ERROR],
    )
