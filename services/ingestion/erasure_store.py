"""SQL of erasures: whose events are not taken, and what is kept of users here. Sessions are one tenant's."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingestion.erased import ALWAYS
from services.ingestion.times import utc_text
from services.schema.ingestion import event_errors, shopify_checkouts
from services.schema.profiles import erased_users

# Whatever names users.
LISTS: Sequence[Table] = (event_errors, shopify_checkouts)


async def erased_until(connection: AsyncConnection, among: Collection[bytes] | None = None) -> Mapping[bytes, str]:
    """By pseudonym, the time up to which events of those who were erased are not taken; of all, or of some."""
    query = select(erased_users.c.pseudonym, erased_users.c.until, erased_users.c.is_running)
    if among is not None:
        query = query.where(erased_users.c.pseudonym.in_(among))
    rows = await connection.execute(query)
    return {row.pseudonym: ALWAYS if row.is_running else utc_text(row.until) for row in rows}


async def erase(connection: AsyncConnection, listed: Table, user_ids: Sequence[str]) -> int:
    """Deletes the rows of users; how many there were."""
    return (await connection.execute(delete(listed).where(listed.c.user_id.in_(user_ids)))).rowcount
