"""SQL of the numbers, over tables of other services. Sessions are one tenant's, and the tenant is named all the same.

Row-level security hides the rows of others also where a statement forgets to.
"""

from collections.abc import AsyncGenerator, Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.connectors import activations
from services.schema.identity import tenants
from services.schema.profiles import user_links
from services.schema.segments import segments


async def count_segments(connection: AsyncConnection, tenant_id: int) -> Row[Any]:
    """`all`, `active` and `computed` segments, and the sum of their `members`."""
    statement = select(
        func.count().label("all"),
        func.count().filter(segments.c.is_active).label("active"),
        func.count(segments.c.last_computed_at).label("computed"),
        func.coalesce(func.sum(segments.c.member_count), 0).label("members"),
    ).where(segments.c.tenant_id == tenant_id)
    return (await connection.execute(statement)).one()


async def count_activations(connection: AsyncConnection, tenant_id: int) -> dict[str, int]:
    """How many connectors have which status."""
    statement = (
        select(activations.c.status, func.count().label("connectors"))
        .where(activations.c.tenant_id == tenant_id)
        .group_by("status")
    )
    return {row.status: row.connectors for row in await connection.execute(statement)}


async def list_trends(connection: AsyncConnection, tenant_id: int, ends: Sequence[datetime]) -> Sequence[Row[Any]]:
    """All segments by id, each with `counts`: its members before each of some instants, 0 before the first compute."""
    statement = text("""
        SELECT id, name, status, is_active, member_count, last_computed_at, ARRAY(
            SELECT coalesce((
              SELECT runs.member_count FROM segment_runs AS runs
              WHERE runs.segment_id = segments.id AND runs.computed_at < ends.moment
              ORDER BY runs.computed_at DESC, runs.id DESC LIMIT 1), 0)
            FROM unnest(CAST(:ends AS timestamptz[])) WITH ORDINALITY AS ends (moment, place) ORDER BY place) AS counts
        FROM segments WHERE tenant_id = :tenant_id ORDER BY id""")
    return (await connection.execute(statement, {"tenant_id": tenant_id, "ends": list(ends)})).all()


async def list_computed(connection: AsyncConnection, tenant_id: int) -> Sequence[Row[int, int | None, int]]:
    """The segments that have been computed, by id, with what changes whenever their membership does."""
    statement = (
        select(segments.c.id, segments.c.last_run_id, segments.c.member_count)
        .where(segments.c.tenant_id == tenant_id, segments.c.last_run_id.is_not(None))
        .order_by(segments.c.id)
    )
    return (await connection.execute(statement)).all()


async def names_of(connection: AsyncConnection, tenant_id: int, segment_ids: Collection[int]) -> dict[int, str]:
    """The names of segments, of those that there are."""
    statement = select(segments.c.id, segments.c.name).where(
        segments.c.tenant_id == tenant_id, segments.c.id.in_(segment_ids)
    )
    return {row.id: row.name for row in await connection.execute(statement)}


async def newest_link(connection: AsyncConnection, tenant_id: int) -> int:
    """The version of a tenant's newest link; 0 when it never had one."""
    statement = select(func.coalesce(func.max(user_links.c.version), 0)).where(user_links.c.tenant_id == tenant_id)
    return int((await connection.execute(statement)).scalar_one())


async def stream_memberships(
    connection: AsyncConnection, tenant_id: int, persons: int
) -> AsyncGenerator[Sequence[Sequence[int]]]:
    """The segments of each person who is in any, so many persons at a time, as one statement sees them."""
    # Who has one id only, in the order of an index; then who has several.
    statement = text("""
        SELECT array_agg(segment_id) FROM memberships
        WHERE tenant_id = :tenant_id
          AND NOT EXISTS (SELECT FROM user_links WHERE tenant_id = :tenant_id AND user_id = memberships.user_id)
          AND NOT EXISTS (SELECT FROM user_links WHERE tenant_id = :tenant_id AND person_id = memberships.user_id)
        GROUP BY user_id
        UNION ALL
        SELECT array_agg(DISTINCT segment_id) FROM memberships JOIN (
          SELECT user_id, person_id FROM user_links WHERE tenant_id = :tenant_id
          UNION SELECT person_id, person_id FROM user_links WHERE tenant_id = :tenant_id) AS linked USING (user_id)
        WHERE tenant_id = :tenant_id GROUP BY person_id""").execution_options(yield_per=persons)
    async with connection.stream(statement, {"tenant_id": tenant_id}) as result:
        async for part in result.scalars().partitions(persons):
            yield part


async def list_activations(connection: AsyncConnection, tenant_id: int, since: datetime) -> Sequence[Row[Any]]:
    """All connectors by id, with their segments, and attempts to sync after `since`: `tried`, of which `succeeded`."""
    statement = text("""
        SELECT activations.id, segment_id, segments.name AS segment_name, connector_type, activations.status,
          last_synced_at, activations.last_error, member_count, tried, succeeded
        FROM activations JOIN segments ON segments.id = segment_id CROSS JOIN LATERAL (
          SELECT count(*) AS tried, count(*) FILTER (WHERE status = 'success') AS succeeded
          FROM activation_logs WHERE activation_id = activations.id AND synced_at > :since) AS attempts
        WHERE activations.tenant_id = :tenant_id ORDER BY activations.id""")
    return (await connection.execute(statement, {"tenant_id": tenant_id, "since": since})).all()


async def list_newest_logs(connection: AsyncConnection, tenant_id: int, newest: int) -> Sequence[Row[Any]]:
    """The `newest` attempts of each connector, newest first."""
    statement = text("""
        SELECT logs.* FROM activations CROSS JOIN LATERAL (
          SELECT * FROM activation_logs WHERE activation_id = activations.id ORDER BY id DESC LIMIT :newest) AS logs
        WHERE activations.tenant_id = :tenant_id ORDER BY logs.activation_id, logs.id DESC""")
    return (await connection.execute(statement, {"tenant_id": tenant_id, "newest": newest})).all()


async def find_plan(connection: AsyncConnection, tenant_id: int) -> Row[str, int | None] | None:
    """`plan` and the tenant's own `api_calls_per_minute`; None for no tenant."""
    statement = select(tenants.c.plan, tenants.c.api_calls_per_minute).where(tenants.c.id == tenant_id)
    return (await connection.execute(statement)).one_or_none()
