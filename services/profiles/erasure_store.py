"""SQL of erasures. Sessions are one tenant's: row-level security hides every other tenant's rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.profiles import erased_users, erasures, user_links


async def find(connection: AsyncConnection, erasure_id: int) -> Row[Any] | None:
    """An erasure."""
    return (await connection.execute(select(erasures).where(erasures.c.id == erasure_id))).one_or_none()


async def find_running(connection: AsyncConnection, user_ids: Sequence[str]) -> Row[Any] | None:
    """The newest erasure of these users, and perhaps of others, that is not complete."""
    statement = (
        select(erasures)
        .where(erasures.c.status != "complete", erasures.c.user_ids.contains(list(user_ids)))
        .order_by(erasures.c.id.desc())
        .limit(1)
    )
    return (await connection.execute(statement)).one_or_none()


async def add(connection: AsyncConnection, tenant_id: int, user_ids: Sequence[str], now: datetime) -> Row[Any]:
    """A new erasure, which waits."""
    statement = insert(erasures).values(tenant_id=tenant_id, user_ids=list(user_ids), requested_at=now, stores=[])
    return (await connection.execute(statement.returning(*erasures.c))).one()


async def block(connection: AsyncConnection, tenant_id: int, pseudonyms: Iterable[bytes], until: datetime) -> None:
    """No event of these users is taken any more, and never one that occurred up to an instant."""
    rows = [{"tenant_id": tenant_id, "pseudonym": each, "until": until} for each in pseudonyms]
    statement = postgresql.insert(erased_users).values(rows)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "pseudonym"],
            set_={"until": func.greatest(erased_users.c.until, statement.excluded.until), "is_running": True},
        )
    )


async def release(connection: AsyncConnection, pseudonyms: Iterable[bytes]) -> None:
    """Events of these users that occur later are taken."""
    released = erased_users.c.pseudonym.in_(list(pseudonyms))
    await connection.execute(update(erased_users).where(released).values(is_running=False))


async def change(connection: AsyncConnection, erasure_id: int, columns: Mapping[str, object]) -> None:
    """Changes an erasure."""
    await connection.execute(update(erasures).where(erasures.c.id == erasure_id).values(**columns))


async def erased_by_others(connection: AsyncConnection, erasure_id: int) -> Sequence[str]:
    """The users of all other erasures that are not complete."""
    statement = select(func.unnest(erasures.c.user_ids)).where(
        erasures.c.status != "complete", erasures.c.id != erasure_id
    )
    return (await connection.execute(statement)).scalars().all()


async def delete_links(connection: AsyncConnection, user_ids: Sequence[str]) -> int:
    """Deletes all links from and to users; how many there were."""
    links = user_links.c
    named = or_(links.user_id.in_(user_ids), links.linked_to.in_(user_ids), links.person_id.in_(user_ids))
    return (await connection.execute(delete(user_links).where(named))).rowcount
