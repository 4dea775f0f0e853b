"""The statement of the hot path. It goes past SQLAlchemy, whose transaction costs eight times its processor time."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, Self

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from services.kit import traced
from services.kit.errors import Unavailable
from services.kit.keepalive import KEEPALIVE
from services.kit.metrics import PoolMeter
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
        self._meter = PoolMeter("lookup", POOL_SIZE, lambda: _used(pool))

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """Connects in the background, and again whenever PostgreSQL comes back."""
        pool = AsyncConnectionPool(
            settings.libpq_dsn,
            kwargs={
                "autocommit": True,
                "options": f"-c role={TENANT_ROLE}",
                "connect_timeout": CONNECT_SECONDS,
                **KEEPALIVE,
            },
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
        asked = (tenant_id, list(user_ids))
        try:
            try:
                rows = await self._ask(asked)
            except psycopg.OperationalError:
                # A connection that ended while nobody worked with it. The others may have ended too.
                await self._pool.check()
                rows = await self._ask(asked)
        except (psycopg.OperationalError, PoolTimeout) as error:
            self._meter.failed()
            raise Unavailable from error
        found: dict[str, list[Entry]] = {}
        for user_id, *columns in rows:
            found.setdefault(user_id, []).append(Entry(*columns))
        return found

    async def _ask(self, asked: tuple[int, Sequence[str]]) -> list[tuple[Any, ...]]:
        started = time.perf_counter()
        async with self._pool.connection() as connection:
            self._meter.waited(time.perf_counter() - started)
            with traced.statement(SEGMENTS_OF_USERS):
                return await (await connection.execute(SEGMENTS_OF_USERS, asked)).fetchall()

    async def close(self) -> None:
        """Closes every connection."""
        await self._pool.close()


def _used(pool: "AsyncConnectionPool[Any]") -> int:
    told = pool.get_stats()
    return told.get("pool_size", 0) - told.get("pool_available", 0)
