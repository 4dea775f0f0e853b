"""Memberships that nobody can read for a while."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from services.kit.settings import Settings


@asynccontextmanager
async def held_up(settings: Settings) -> AsyncIterator["psycopg.AsyncConnection[tuple[object, ...]]"]:
    """Nobody reads memberships within the block."""
    async with await psycopg.AsyncConnection.connect(settings.libpq_dsn) as connection:
        await connection.execute("LOCK TABLE memberships IN ACCESS EXCLUSIVE MODE")
        yield connection
