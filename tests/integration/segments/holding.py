"""Holding a compute up in its middle: its users are copied, nothing is written yet."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from sqlalchemy import text

from services.kit.postgres import Database
from tests.integration.segments.calling import Tenant, until

Wait = Callable[[], Awaitable[bool]]

# A compute waits for a lock on `memberships`; reading goes on.
HOLD = text("LOCK TABLE memberships IN SHARE MODE")
WAITING = text("""
    SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'memberships'::regclass""")


@asynccontextmanager
async def holding(database: Database, tenant: Tenant) -> AsyncIterator[Wait]:
    """Computes cannot write within the block. The value returns when one waits to."""
    async with database.tenant(tenant.id) as connection:
        await connection.execute(HOLD)

        async def someone_waits() -> bool:
            return bool((await connection.execute(WAITING)).scalar_one())

        yield partial(until, someone_waits)
