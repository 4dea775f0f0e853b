"""Computing a segment: the matching users stream from the warehouse into one transaction that writes what changed."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import Failure, Invalid, NotFound, Unavailable
from services.kit.postgres import Database
from services.segments import store

log = logging.getLogger("compute")

# A warehouse that restarts is back within seconds; the waits between the tries add up to a quarter of a minute.
MOST_RETRIES = 5

AWAY = "The event warehouse could not be reached; try again later."
INTERRUPTED = "The compute was interrupted too often; try again later."
UNEXPECTED = "The compute failed unexpectedly; try again later."


class NoDefinition(Invalid):
    """The segment has no definition to compute."""

    def __init__(self) -> None:
        super().__init__(detail=type(self).__doc__ or "")


class Queue(Protocol):
    """Where computes wait for a worker."""

    async def put(self, connection: AsyncConnection, *, tenant_id: int, segment_id: int) -> None:
        """Queues a compute in the connection's transaction."""


class Matches(Protocol):
    """Who answers which users a definition matches."""

    def stream(self, tenant_id: int, definition: object, now: datetime) -> AsyncGenerator[bytes]:
        """The matching user ids at an instant, one a line in COPY's text format, each once. Raises a Failure."""


async def request_compute(database: Database, queue: Queue, tenant_id: int, segment_id: int) -> None:
    """Queues a compute unless one waits or runs. Raises NotFound, or NoDefinition."""
    async with database.tenant(tenant_id) as connection:
        segment = await store.lock_segment(connection, segment_id)
        if segment is None:
            raise NotFound
        if segment.definition is None:
            raise NoDefinition
        if segment.status != "computing":
            await store.change_segment(connection, segment_id, {"status": "computing"})
            await queue.put(connection, tenant_id=tenant_id, segment_id=segment_id)


class Computer:
    """Runs computes. Until one commits, readers see the membership before it."""

    def __init__(self, database: Database, matches: Matches) -> None:
        self._database = database
        self._matches = matches

    async def run(self, tenant_id: int, segment_id: int, *, retries: int) -> None:
        """Computes a segment, or records why it cannot be.

        Raises Unavailable when another try makes sense; `retries` counts those that were made before this one.
        """
        try:
            if retries > MOST_RETRIES:
                await self._give_up(tenant_id, segment_id, INTERRUPTED)
                return
            await self._compute(tenant_id, segment_id)
        except Unavailable as failure:
            if retries < MOST_RETRIES:
                raise
            await self._give_up(tenant_id, segment_id, _reason(failure))
        except Failure as failure:
            await self._give_up(tenant_id, segment_id, _reason(failure))
        except Exception:
            log.exception("a compute failed", extra={"tenant_id": tenant_id, "segment_id": segment_id})
            await self._give_up(tenant_id, segment_id, UNEXPECTED)

    async def _give_up(self, tenant_id: int, segment_id: int, reason: str) -> None:
        """Records a failed compute with a sentence for the public. The membership stays as it was."""
        async with self._database.tenant(tenant_id) as connection:
            await store.take_compute_turn(connection, segment_id)
            segment = await store.lock_segment(connection, segment_id)
            if _is_wanted(segment):
                await store.change_segment(connection, segment_id, {"status": "failed", "last_error": reason})

    async def _compute(self, tenant_id: int, segment_id: int) -> None:
        async with self._database.tenant(tenant_id) as connection:
            await store.take_compute_turn(connection, segment_id)
            segment = await store.find_segment(connection, segment_id)
            if segment is None or not _is_wanted(segment):
                return
            if segment.definition is None:
                raise NoDefinition
            now = _this_instant()
            async with aclosing(self._matches.stream(tenant_id, segment.definition, now)) as chunks:
                member_count = await store.copy_matches(connection, chunks)
            if not await store.keep_segment(connection, segment_id):
                return
            exited = await store.drop_exits(connection, segment_id)
            entered = await store.add_entries(connection, tenant_id, segment_id, now)
            outcome = {
                "status": "computed",
                "member_count": member_count,
                "last_computed_at": now,
                "last_error": None,
            }
            await store.change_segment(connection, segment_id, outcome)
        log.info(
            "computed",
            extra={
                "tenant_id": tenant_id,
                "segment_id": segment_id,
                "version": segment.version,
                "members": member_count,
                "entered": entered,
                "exited": exited,
                "seconds": round((datetime.now(UTC) - now).total_seconds(), 3),
            },
        )


def _is_wanted(segment: Row[Any] | None) -> bool:
    """Whether the segment still waits for its compute: a job may run twice, or its segment be deleted."""
    return segment is not None and segment.status == "computing"


def _this_instant() -> datetime:
    """Now, to the millisecond, as precisely as events are stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _reason(failure: Failure) -> str:
    """What a segment's owner is told."""
    if type(failure) is Unavailable and failure.detail == Unavailable().detail:
        return AWAY
    if isinstance(failure, Invalid) and failure.fields:
        first = next(message for messages in failure.fields.values() for message in messages)
        return f"The definition is not valid: {first}"
    return failure.detail
