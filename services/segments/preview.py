"""Previewing a definition: whom it matches, exactly. Nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from services.definition.times import parse_time
from services.segments.evaluation import Evaluation, Evaluations
from services.segments.fields import number_errors, raise_wrong, time_errors

MAX_SAMPLE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """How many users match, the ids of some, and the SQL that found them."""

    matched_users: int
    sample_user_ids: Sequence[str]
    sql: str


class Previewer(Protocol):
    """Who knows whom a definition matches."""

    async def preview(self, evaluation: Evaluation, limit: int) -> Preview:
        """How many users of the caller's tenant match, with up to `limit` ids."""


async def preview(
    evaluations: Evaluations, previewer: Previewer, *, tenant_id: int, definition: object, limit: int, as_of: str
) -> Preview:
    """Whom a definition matches now, or matched at `as_of`, with `limit` sample ids.

    Raises Invalid with every wrong field.
    """
    raise_wrong(
        definition=await evaluations.errors(tenant_id, definition),
        limit=number_errors(limit, 1, MAX_SAMPLE),
        as_of=time_errors(as_of, latest=datetime.now(UTC)),
    )
    evaluation = await evaluations.ready(tenant_id, definition, now=parse_time(as_of), past=bool(as_of))
    return await previewer.preview(evaluation, limit)
