"""PostgreSQL sessions. Row-level security keeps tenants apart even if a query forgets to."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import psycopg
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from services.kit import metrics, traced
from services.kit.errors import Invalid, Unavailable
from services.kit.farewell import replace_ended
from services.kit.keepalive import KEEPALIVE
from services.kit.settings import Settings

# The role whose sessions see one tenant's rows, the one in `segops.tenant_id`.
TENANT_ROLE = "segops_app"
# The role of the identity service, which has to find the tenant of a credential first.
IDENTITY_ROLE = "segops_identity"

CONNECT_SECONDS = 5
POOL_SIZE = 8

_ENTER_TENANT = text(
    f"SELECT set_config('role', '{TENANT_ROLE}', true), set_config('segops.tenant_id', :tenant_id, true)"
)


class Database:
    """A pool of connections under one role.

    Driver errors that mean PostgreSQL is away become Unavailable; constraint errors pass through for the stores.
    """

    def __init__(self, engine: AsyncEngine, meter: metrics.PoolMeter) -> None:
        self._engine = engine
        self._meter = meter

    @classmethod
    def connect(
        cls, settings: Settings, *, role: str = TENANT_ROLE, pool_size: int = POOL_SIZE, name: str = "main"
    ) -> Self:
        """A pool that connects when first used, every connection under `role`; metrics call it by `name`."""
        engine = create_async_engine(
            settings.postgres_dsn,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=CONNECT_SECONDS,
            pool_pre_ping=False,
            connect_args={"options": f"-c role={role}", "connect_timeout": CONNECT_SECONDS, **KEEPALIVE},
        )
        traced.statements(engine)
        pool = engine.pool
        assert isinstance(pool, QueuePool)
        replace_ended(pool)
        return cls(engine, metrics.PoolMeter(name, pool_size, pool.checkedout))

    @asynccontextmanager
    async def tenant(self, tenant_id: int) -> AsyncIterator[AsyncConnection]:
        """One transaction that sees and writes the rows of one tenant only."""
        async with self.system() as connection:
            await connection.execute(_ENTER_TENANT, {"tenant_id": str(tenant_id)})
            yield connection

    @asynccontextmanager
    async def system(self) -> AsyncIterator[AsyncConnection]:
        """One transaction outside any tenant: under the tenant role it sees no tenant's rows."""
        started = time.perf_counter()
        try:
            async with self._engine.begin() as connection:
                self._meter.waited(time.perf_counter() - started)
                yield connection
        except exc.DataError as error:
            # The last guard behind the services' own checks: a NUL in a text, a number out of range.
            raise Invalid(detail="The request holds a value that cannot be stored.") from error
        except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
            self._meter.failed()
            raise Unavailable from error

    async def check(self) -> None:
        """Raises unless PostgreSQL answers and the schema is there."""
        async with self.system() as connection:
            await connection.execute(text("SELECT version_num FROM alembic_version"))

    async def close(self) -> None:
        """Closes every connection."""
        await self._engine.dispose()


def driver_connection(connection: AsyncConnection) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """The psycopg connection below a SQLAlchemy one, in the same transaction: for COPY and for deferring jobs."""
    raw = connection.sync_connection
    if raw is None:
        raise RuntimeError("the connection is closed")
    driver = raw.connection.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    return driver
