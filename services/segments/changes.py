"""Reading a segment's ledger: who entered and who left, compute after compute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from services.definition.times import parse_time
from services.kit.errors import NotFound
from services.kit.postgres import Database
from services.segments import ledger_store, store
from services.segments.cursors import Cursors
from services.segments.fields import number_errors, raise_wrong, time_errors
from services.segments.listing import FORGED

MAX_CHANGES = 10_000
BEGINNING = datetime.min.replace(tzinfo=UTC)

# A run and a user of it: everything up to that user has been read.
Place = tuple[int, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """A page of a segment's ledger; `count` is of all that it is a page of."""

    count: int
    rows: Sequence[Row[Any]]
    next_cursor: str | None


async def page_of_changes(
    database: Database, cursors: Cursors, *, tenant_id: int, segment_id: int, since: str, limit: int, cursor: str
) -> Changes:
    """Changes by computes after `since`, from `cursor` on. Raises NotFound, or Invalid with every wrong field."""
    read = cursors.read(tenant_id, segment_id, cursor) if cursor else ""
    raise_wrong(
        since=time_errors(since), limit=number_errors(limit, 1, MAX_CHANGES), cursor=[FORGED] if read is None else []
    )
    async with database.tenant(tenant_id) as connection:
        if await store.find_segment(connection, segment_id) is None:
            raise NotFound
        first_run = await ledger_store.first_run_after(connection, segment_id, parse_time(since) or BEGINNING)
        if first_run is None:
            return Changes(count=0, rows=(), next_cursor=None)
        count = await ledger_store.count_changes(connection, segment_id, first_run=first_run)
        after = max(place_of(read or ""), (first_run, ""))
        rows = await ledger_store.list_changes(connection, segment_id, after=after, limit=limit + 1)
    shown, is_last = rows[:limit], len(rows) <= limit
    place = None if is_last else text_of((shown[-1].run_id, shown[-1].user_id))
    return Changes(count=count, rows=shown, next_cursor=cursors.make(tenant_id, segment_id, place) if place else None)


def text_of(place: Place) -> str:
    """A place as a cursor carries it."""
    return f"{place[0]} {place[1]}"


def place_of(text: str) -> Place:
    """The place in a cursor's text; the beginning when empty."""
    run_id, _, user_id = text.partition(" ")
    return int(run_id or 0), user_id
