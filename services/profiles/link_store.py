"""SQL of the links between user ids. Sessions are one tenant's: row-level security hides every other tenant's rows."""

from collections.abc import Collection, Mapping
from dataclasses import asdict

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.profiles.link_rules import Link, Standing
from services.schema.profiles import user_links

# First half of the advisory locks that let one transaction of a tenant at a time change links, so that their versions
# ascend in the order of commits; the second half is the tenant's id.
LINK_LOCK = 7_382_017

_CHAIN = text("""
    WITH RECURSIVE chain AS (
      SELECT CAST(:user_id AS text) COLLATE "C" AS user_id, 0 AS place
      UNION ALL
      SELECT links.linked_to, place + 1
      FROM chain JOIN user_links AS links ON links.tenant_id = :tenant_id AND links.user_id = chain.user_id
      WHERE links.linked_to <> links.user_id)
    SELECT user_id FROM chain ORDER BY place""")

# Whatever is linked to a user id, directly or not, and that id.
_BELOW = """
    WITH RECURSIVE below AS (
      SELECT CAST(:user_id AS text) COLLATE "C" AS user_id
      UNION
      SELECT links.user_id
      FROM below JOIN user_links AS links ON links.tenant_id = :tenant_id AND links.linked_to = below.user_id)"""

_COUNT = text(f"""{_BELOW}
    SELECT count(*) FROM (
      SELECT user_id FROM below
      UNION SELECT user_id FROM user_links WHERE tenant_id = :tenant_id AND person_id = :person_id
      UNION SELECT :person_id) AS together""")

_LINK = text(f"""{_BELOW}
    INSERT INTO user_links (tenant_id, user_id, linked_to, person_id)
    SELECT :tenant_id, below.user_id,
      CASE below.user_id
        WHEN :user_id THEN :linked_to
        WHEN :person_id THEN :person_id
        ELSE links.linked_to END,
      :person_id
    FROM below LEFT JOIN user_links AS links ON links.tenant_id = :tenant_id AND links.user_id = below.user_id
    ON CONFLICT (tenant_id, user_id) DO UPDATE
    SET linked_to = excluded.linked_to, person_id = excluded.person_id, version = excluded.version,
      changed_at = now()""")


async def take_turn(connection: AsyncConnection, tenant_id: int) -> None:
    """Waits until no other transaction changes the tenant's links, and keeps others out until this one ends."""
    statement = text("SELECT pg_advisory_xact_lock(:space, :tenant_id)")
    await connection.execute(statement, {"space": LINK_LOCK, "tenant_id": tenant_id})


async def links_of(connection: AsyncConnection, tenant_id: int, user_ids: Collection[str]) -> Mapping[str, str]:
    """What each of these user ids is linked to; nothing for those without a link."""
    statement = select(user_links.c.user_id, user_links.c.linked_to).where(
        user_links.c.tenant_id == tenant_id,
        user_links.c.user_id.in_(user_ids),
        # A row that is linked to itself says that a link was undone.
        user_links.c.linked_to != user_links.c.user_id,
    )
    return {row.user_id: row.linked_to for row in await connection.execute(statement)}


async def standing(connection: AsyncConnection, tenant_id: int, user_id: str, linked_to: str) -> Standing:
    """A user id and another one that it is to be linked to."""
    links = await links_of(connection, tenant_id, [user_id])
    chain = (await connection.execute(_CHAIN, {"tenant_id": tenant_id, "user_id": linked_to})).scalars().all()
    return Standing(user_id=user_id, linked_to=links.get(user_id), chain=chain)


async def count_ids(connection: AsyncConnection, tenant_id: int, link: Link) -> int:
    """How many user ids the person has once a link is made."""
    return int(await connection.scalar(_COUNT, {"tenant_id": tenant_id, **asdict(link)}) or 0)


async def make(connection: AsyncConnection, tenant_id: int, link: Link) -> None:
    """Makes a link, and moves whatever is linked to its user id along."""
    await connection.execute(_LINK, {"tenant_id": tenant_id, **asdict(link)})
