"""Previewing a definition: whom it matches now, exactly. Nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.segments.fields import definition_errors, number_errors, raise_wrong

MAX_SAMPLE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """How many users match, the ids of some, and the SQL that found them."""

    matched_users: int
    sample_user_ids: Sequence[str]
    sql: str


class Previewer(Protocol):
    """Who knows whom a definition matches."""

    async def preview(self, definition: object, limit: int) -> Preview:
        """Whom a valid definition matches among the users of the caller's tenant, with up to `limit` ids."""


async def preview(previewer: Previewer, definition: object, limit: int) -> Preview:
    """Whom a definition matches, with `limit` sample ids. Raises Invalid with every wrong field."""
    raise_wrong(definition=definition_errors(definition), limit=number_errors(limit, 1, MAX_SAMPLE))
    return await previewer.preview(definition, limit)
