"""The statement of the hot path. It goes past SQLAlchemy, whose transaction costs eight times its processor time."""

from collections.abc import Iterable
from typing import Any, Self

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from services.kit.errors import Unavailable
from services.kit.postgres import CONNECT_SECONDS, TENANT_ROLE
from services.kit.settings import Settings
from services.segments.membership import Entry

POOL_SIZE = 4

# The function enters the tenant for the statement's own transaction; see the migration that makes it.
SEGMENTS_OF_USERS = """
    SELECT user_id, segment_id, name, computed_at, entered_at FROM segments_of_users(%s, %s)"""


class MembershipLookup:
    """Looks up the segments of many users at once, on connections of its own under the tenant role."""

    def __init__(self, pool: "AsyncConnectionPool[psycopg.AsyncConnection[tuple[Any, ...]]]") -> None:
        self._pool = pool

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """Connects in the background, and again whenever PostgreSQL comes back."""
        pool = AsyncConnectionPool(
            settings.libpq_dsn,
            kwargs={"autocommit": True, "options": f"-c role={TENANT_ROLE}"},
            # All of them at once: a new connection takes longer than a hundred look-ups.
            min_size=POOL_SIZE,
            max_size=POOL_SIZE,
            timeout=CONNECT_SECONDS,
            open=False,
        )
        await pool.open()
        return cls(pool)

    async def __call__(self, tenant_id: int, user_ids: Iterable[str]) -> dict[str, list[Entry]]:
        """The segments each user is in, by segment id; users in none are left out. Raises Unavailable."""
        found: dict[str, list[Entry]] = {}
        try:
            async with self._pool.connection() as connection:
                rows = await (await connection.execute(SEGMENTS_OF_USERS, (tenant_id, list(user_ids)))).fetchall()
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Unavailable from error
        for user_id, *columns in rows:
            found.setdefault(user_id, []).append(Entry(*columns))
        return found

    async def close(self) -> None:
        """Closes every connection."""
        await self._pool.close()
