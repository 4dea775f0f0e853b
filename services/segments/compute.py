"""Computing a segment: the matching users stream from the warehouse into one transaction that writes what changed."""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import Failure, Invalid, Unavailable
from services.kit.postgres import Database
from services.segments import ledger_store, metrics, reference_store, store
from services.segments.dependencies import queue_dependents, queue_if_overtaken
from services.segments.evaluation import Evaluation
from services.segments.ledger_store import Run
from services.segments.queueing import NoDefinition, Queue, QueuedCompute

log = logging.getLogger("compute")

# A warehouse that restarts is back within seconds; the waits between the tries add up to a quarter of a minute.
MOST_RETRIES = 5

AWAY = "The event warehouse could not be reached; try again later."
INTERRUPTED = "The compute was interrupted too often; try again later."
UNEXPECTED = "The compute failed unexpectedly; try again later."


class Matches(Protocol):
    """Who answers which users of a tenant a definition matches."""

    async def ready(self, tenant_id: int, definition: object, now: datetime) -> Evaluation:
        """The definition at an instant, ready to be evaluated. Raises a Failure."""

    def stream(self, tenant_id: int, evaluation: Evaluation) -> AsyncGenerator[bytes]:
        """The matching user ids, one a line in COPY's text format, each once. Raises a Failure."""


class Computer:
    """Runs computes. Until one commits, readers see the membership before it."""

    def __init__(self, database: Database, matches: Matches, queue: Queue) -> None:
        self._database = database
        self._matches = matches
        self._queue = queue

    async def run(self, compute: QueuedCompute, *, retries: int) -> None:
        """Computes a segment, puts it off for one that it refers to, or records why it cannot be computed.

        Raises Unavailable when another try makes sense; `retries` counts those that were made before this one.
        """
        try:
            if retries > MOST_RETRIES:
                metrics.COMPUTE_FAILURES.labels("away").inc()
                await self._give_up(compute, INTERRUPTED)
                return
            await self._compute(compute)
        except Unavailable as failure:
            if retries < MOST_RETRIES:
                raise
            metrics.COMPUTE_FAILURES.labels("away").inc()
            await self._give_up(compute, _reason(failure))
        except Failure as failure:
            metrics.COMPUTE_FAILURES.labels("refused").inc()
            await self._give_up(compute, _reason(failure))
        except Exception:
            log.exception("a compute failed", extra={"tenant_id": compute.tenant_id, "segment_id": compute.segment_id})
            metrics.COMPUTE_FAILURES.labels("unexpected").inc()
            await self._give_up(compute, UNEXPECTED)

    async def _give_up(self, compute: QueuedCompute, reason: str) -> None:
        """Records a failed compute with a sentence for the public. The membership stays as it was."""
        async with self._database.tenant(compute.tenant_id) as connection:
            await ledger_store.take_compute_turn(connection, compute.segment_id)
            segment = await store.lock_segment(connection, compute.segment_id)
            if _is_wanted(segment):
                outcome = {"status": "failed", "last_error": reason}
                await store.change_segment(connection, compute.segment_id, outcome)

    async def _compute(self, compute: QueuedCompute) -> None:
        async with self._database.tenant(compute.tenant_id) as connection:
            await ledger_store.take_compute_turn(connection, compute.segment_id)
            segment = await store.find_segment(connection, compute.segment_id)
            if segment is None or not _is_wanted(segment):
                return
            if segment.definition is None:
                raise NoDefinition
            if await reference_store.is_upstream_computing(connection, compute.segment_id):
                await self._queue.put(connection, replace(compute, waits=compute.waits + 1))
                return
            now, started = _this_instant(), time.perf_counter()
            evaluation = await self._matches.ready(compute.tenant_id, segment.definition, now)
            async with aclosing(self._matches.stream(compute.tenant_id, evaluation)) as chunks:
                member_count = await ledger_store.copy_matches(connection, chunks)
            if not await store.keep_segment(connection, compute.segment_id):
                return
            run = Run(
                tenant_id=compute.tenant_id,
                segment_id=compute.segment_id,
                version=segment.version,
                cause=compute.cause,
                computed_at=now,
                member_count=member_count,
            )
            written = await self._write(connection, run, evaluation)
        seconds = time.perf_counter() - started
        metrics.COMPUTE_SECONDS.observe(seconds)
        metrics.COMPUTE_CHANGES.inc(written.entered + written.exited)
        log.info(
            "computed",
            extra={
                "tenant_id": run.tenant_id,
                "segment_id": run.segment_id,
                "version": run.version,
                "cause": run.cause,
                "members": member_count,
                "entered": written.entered,
                "exited": written.exited,
                "seconds": round(seconds, 3),
            },
        )

    async def _write(self, connection: AsyncConnection, run: Run, evaluation: Evaluation) -> Row[Any]:
        """Writes ledger, membership and segment, and queues what has to be done after it."""
        written = await ledger_store.write_run(connection, run)
        if written.entered or written.exited:
            await ledger_store.apply_run(connection, run.segment_id, written.id, linked=evaluation.links > 0)
            await queue_dependents(connection, self._queue, run.tenant_id, run.segment_id)
        outcome = {
            "status": "computed",
            "member_count": run.member_count,
            "last_computed_at": run.computed_at,
            "last_error": None,
            "last_run_id": written.id,
        }
        await store.change_segment(connection, run.segment_id, outcome)
        await self._queue.announce(connection, tenant_id=run.tenant_id, segment_id=run.segment_id, run_id=written.id)
        await queue_if_overtaken(connection, self._queue, run.tenant_id, run.segment_id, evaluation.runs)
        return written


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
