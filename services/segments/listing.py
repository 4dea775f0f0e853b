"""Reading segments and their members."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from services.kit.errors import NotFound
from services.kit.paging import Page
from services.kit.persons import person_of
from services.kit.postgres import Database
from services.segments import store
from services.segments.cursors import Cursors
from services.segments.fields import number_errors, raise_wrong, user_id_errors

MAX_MEMBERS = 10_000
STREAMED_MEMBERS = 1_000
FORGED = "This cursor is not valid for this list."


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """A page of a segment's members."""

    computed_at: datetime | None
    count: int
    rows: Sequence[Row[Any]]
    next_cursor: str | None


async def find(database: Database, tenant_id: int, segment_id: int) -> Row[Any]:
    """One segment. Raises NotFound."""
    async with database.tenant(tenant_id) as connection:
        segment = await store.find_segment(connection, segment_id)
    if segment is None:
        raise NotFound
    return segment


async def page_of_segments(
    database: Database, tenant_id: int, search: str, page: Page
) -> tuple[int, Sequence[Row[Any]]]:
    """How many segments have `search` in their name, and a page of them by id."""
    async with database.tenant(tenant_id) as connection:
        count = await store.count_segments(connection, search)
        return count, await store.list_segments(connection, search, limit=page.limit, offset=page.offset)


async def page_of_versions(
    database: Database, tenant_id: int, segment_id: int, page: Page
) -> tuple[int, Sequence[Row[Any]]]:
    """How many definitions a segment has had, and a page of them, newest first. Raises NotFound."""
    async with database.tenant(tenant_id) as connection:
        if await store.find_segment(connection, segment_id) is None:
            raise NotFound
        count = await store.count_versions(connection, segment_id)
        return count, await store.list_versions(connection, segment_id, limit=page.limit, offset=page.offset)


async def segments_of_user(database: Database, tenant_id: int, user_id: str) -> Sequence[Row[Any]]:
    """The segments one user is in, by name; none for an unknown user. Raises Invalid."""
    raise_wrong(user_id=user_id_errors(user_id))
    async with database.tenant(tenant_id) as connection:
        person = await person_of(connection, tenant_id, user_id)
        return await store.segments_of_user(connection, tenant_id, person.user_ids)


async def page_of_members(
    database: Database, cursors: Cursors, *, tenant_id: int, segment_id: int, limit: int, cursor: str
) -> Members:
    """Members by user id from `cursor` on. Raises NotFound, or Invalid with every wrong field."""
    after = cursors.read(tenant_id, segment_id, cursor) if cursor else ""
    raise_wrong(limit=number_errors(limit, 1, MAX_MEMBERS), cursor=[FORGED] if after is None else [])
    async with database.tenant(tenant_id) as connection:
        found = await store.list_members(connection, segment_id, after=after or "", limit=limit + 1)
    if not found:
        raise NotFound
    rows = [row for row in found if row.user_id is not None]
    shown, is_last = rows[:limit], len(rows) <= limit
    return Members(
        computed_at=found[0].last_computed_at,
        count=found[0].member_count,
        rows=shown,
        next_cursor=None if is_last else cursors.make(tenant_id, segment_id, shown[-1].user_id),
    )


async def stream_members(
    database: Database, tenant_id: int, segment_id: int
) -> AsyncGenerator[Sequence[Row[str, datetime, datetime]]]:
    """Every member by user id, in parts, as of one moment. Keeps a connection until it ends. Raises NotFound."""
    async with database.tenant(tenant_id) as connection:
        if await store.find_segment(connection, segment_id) is None:
            raise NotFound
        async for rows in await store.stream_members(connection, segment_id, chunk=STREAMED_MEMBERS):
            yield rows
