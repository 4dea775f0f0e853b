"""Row-level security keeps tenants apart even when a query forgets to."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import ProgrammingError

from services.kit.postgres import IDENTITY_ROLE, Database
from services.kit.settings import Settings
from services.schema.identity import api_keys, tenants, users
from services.schema.segments import segments


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database.connect(settings)
    yield database
    await database.close()


@pytest.fixture
async def identity(settings: Settings) -> AsyncIterator[Database]:
    database = Database.connect(settings, role=IDENTITY_ROLE)
    yield database
    await database.close()


async def test_a_query_without_a_condition_sees_one_tenant_only(database: Database) -> None:
    for tenant in (901, 902):
        async with database.tenant(tenant) as connection:
            await connection.execute(insert(segments).values(tenant_id=tenant, name="mine"))
    async with database.tenant(901) as connection:
        seen = (await connection.execute(select(segments.c.tenant_id))).scalars().all()
        changed = await connection.execute(update(segments).values(name="changed"))
        assert set(seen) == {901}
        assert changed.rowcount == len(seen)
        await connection.execute(delete(segments))
    async with database.tenant(902) as connection:
        assert (await connection.execute(select(segments.c.name))).scalars().all() == ["mine"]


async def test_a_row_cannot_be_written_into_another_tenant(database: Database) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with database.tenant(903) as connection:
            await connection.execute(insert(segments).values(tenant_id=904, name="theirs"))


async def test_outside_a_tenant_nothing_is_seen_also_after_a_tenant_used_the_connection(database: Database) -> None:
    for _ in range(20):
        async with database.tenant(905) as connection:
            await connection.execute(insert(segments).values(tenant_id=905, name="mine"))
        async with database.system() as connection:
            assert (await connection.execute(select(segments))).all() == []


async def test_identity_finds_tenants_and_works_in_one_at_a_time(identity: Database) -> None:
    made = []
    for slug in ("isolated-one", "isolated-two"):
        async with identity.system() as connection:
            statement = insert(tenants).values(slug=slug, name=slug, plan="free").returning(tenants.c.id)
            made.append((await connection.execute(statement)).scalar_one())
    for tenant in made:
        async with identity.tenant(tenant) as connection:
            await connection.execute(
                insert(api_keys).values(
                    tenant_id=tenant, name="k", key_type="secret", prefix="p", key_hash=str(tenant).encode()
                )
            )
    async with identity.tenant(made[0]) as connection:
        assert set((await connection.execute(select(api_keys.c.tenant_id))).scalars()) == {made[0]}
        assert set((await connection.execute(select(tenants.c.id))).scalars()) == {made[0]}
        with pytest.raises(ProgrammingError, match="permission denied"):
            await connection.execute(select(users))
