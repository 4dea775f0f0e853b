"""Comparing a definition with a segment's membership: who would enter and leave. Nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from services.definition.times import parse_time
from services.kit.postgres import Database
from services.segments import listing
from services.segments.evaluation import Evaluation, Evaluations
from services.segments.fields import raise_wrong, time_errors
from services.segments.queueing import NoDefinition

SAMPLE = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Diff:
    """How many users match and are no members, are members and do not match, and are both, with some ids."""

    entering: int
    leaving: int
    staying: int
    sample_entering_ids: Sequence[str]
    sample_leaving_ids: Sequence[str]


class Comparer(Protocol):
    """Who knows whom a definition matches and who was a member when."""

    async def diff(self, evaluation: Evaluation, segment_id: int, limit: int) -> Diff:
        """Who matches beside who is a member of a segment, with up to `limit` ids of each kind."""


async def diff(
    database: Database,
    evaluations: Evaluations,
    comparer: Comparer,
    *,
    tenant_id: int,
    segment_id: int,
    definition: object,
    as_of: str,
) -> Diff:
    """Who would enter and leave if a definition were computed now, or had been at `as_of`.

    Without a definition the segment's own is taken. Raises NotFound, NoDefinition, or Invalid with every wrong field.
    """
    segment = await listing.find(database, tenant_id, segment_id)
    compared = segment.definition if definition is None else definition
    if compared is None:
        raise NoDefinition
    raise_wrong(
        definition=await evaluations.errors(tenant_id, compared, segment_id),
        as_of=time_errors(as_of, latest=datetime.now(UTC)),
    )
    evaluation = await evaluations.ready(
        tenant_id, compared, now=parse_time(as_of), past=bool(as_of), beside=segment_id
    )
    return await comparer.diff(evaluation, segment_id, SAMPLE)
