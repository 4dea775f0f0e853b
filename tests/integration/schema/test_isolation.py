"""Row-level security keeps tenants apart even when a query forgets to: on every table, for every role of a service."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import Engine, Table, create_engine, delete, func, insert, select, text, update
from sqlalchemy.exc import ProgrammingError

from services.kit.postgres import IDENTITY_ROLE, TENANT_ROLE, Database
from services.kit.settings import Settings
from services.schema import connectors, idempotency, identity, ingestion, profiles, segments  # noqa: F401 - declare their tables
from services.schema.base import metadata
from services.schema.identity import api_keys, members, tenants
from tests.integration.schema.rows import put, sample

# Tables without a tenant, and why.
SHARED = {
    "tenants": "a row is a tenant, and the policy is on its id",
    "users": "a person belongs to several tenants; only identity reaches the table",
    "signing_keys": "the platform's; only identity reaches the table",
    "sign_in_attempts": "before anyone is known there is no tenant; only identity reaches the table",
    "known_addresses": "a person's, in whatever tenant; only identity reaches the table",
}
# Not reached by the tenant role at all.
IDENTITY_ONLY = {"users", "signing_keys", "sign_in_attempts", "known_addresses", "refresh_tokens", "invitations"}
# Where the identity role has to find the tenant of a credential first.
FOUND_BY_IDENTITY = {"members", "api_keys"}
# Tables that are not declared here, and why they have no tenant.
FOREIGN = {
    "alembic_version": "the number of the last migration",
    "procrastinate_%": "jobs, which name their tenants; a process takes those of its queue whosever they are",
}
# Functions that run as the owner of the schema, over all tenants: what they answer, and why that gives nothing away.
OVER_ALL_TENANTS = {
    "due_segments": "TABLE(tenant_id integer, segment_id integer)",  # ids, for the process that enters each tenant
    "expired_exports": "TABLE(tenant_id integer, export_id integer)",
    "due_removals": "TABLE(tenant_id integer, activation_id integer)",
    "due_deliveries": "TABLE(tenant_id integer, webhook_id integer, delivery_id uuid)",
    "tenants_with_secrets": "TABLE(tenant_id integer)",
    "shopify_integration": "TABLE(tenant_id integer, webhook_secret bytea)",  # of one slug, encrypted
    # Sums, for metrics.
    "connector_backlog": "TABLE(changes bigint, active integer, failing integer, in_error integer, "
    "oldest_seconds double precision)",
    "delivery_backlog": "TABLE(pending bigint, oldest_seconds double precision)",
    "erasure_backlog": "TABLE(running bigint, oldest_seconds double precision)",
    "forget_event_errors": "void",  # by age, and the rest too
    "forget_attempts": "void",
    "forget_shopify": "void",
    "forget_idempotent_answers": "void",
}
OF_TENANTS = [table for name, table in metadata.tables.items() if "tenant_id" in table.c and name not in IDENTITY_ONLY]


@pytest.fixture(params=[TENANT_ROLE, IDENTITY_ROLE])
async def database(settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """As a service connects."""
    database = Database.connect(settings, role=request.param)
    yield database
    await database.close()


@pytest.fixture
async def identity_database(settings: Settings) -> AsyncIterator[Database]:
    database = Database.connect(settings, role=IDENTITY_ROLE)
    yield database
    await database.close()


@pytest.fixture(scope="module")
def owner(settings: Settings) -> Iterator[Engine]:
    """The owner of the schema, who sees everything."""
    engine = create_engine(settings.postgres_dsn)
    yield engine
    engine.dispose()


@pytest.fixture
def both(owner: Engine) -> tuple[int, int]:
    """Two tenants that no other test uses."""
    with owner.begin() as connection:
        return put(connection, tenants, 0).id, put(connection, tenants, 0).id


def store(owner: Engine, table: Table, *tenant_ids: int) -> None:
    """A row in each of the tenants."""
    with owner.begin() as connection:
        for tenant_id in tenant_ids:
            put(connection, table, tenant_id)


def count(owner: Engine, table: Table, tenant_id: int) -> int:
    with owner.begin() as connection:
        query = select(func.count()).select_from(table).where(table.c.tenant_id == tenant_id)
        return int(connection.execute(query).scalar_one())


@pytest.mark.parametrize("table", OF_TENANTS, ids=str)
async def test_in_a_tenant_a_statement_without_a_condition_reaches_its_rows_only(
    owner: Engine, database: Database, both: tuple[int, int], table: Table
) -> None:
    mine, theirs = both
    store(owner, table, mine, theirs)
    async with database.tenant(mine) as connection:
        assert (await connection.execute(select(table.c.tenant_id))).scalars().all() == [mine]
        assert (await connection.execute(update(table).values(tenant_id=mine))).rowcount == 1
        assert (await connection.execute(delete(table))).rowcount == 1
    assert (count(owner, table, mine), count(owner, table, theirs)) == (0, 1)


@pytest.mark.parametrize("table", OF_TENANTS, ids=str)
async def test_in_a_tenant_no_row_can_be_written_into_another(
    owner: Engine, database: Database, both: tuple[int, int], table: Table
) -> None:
    mine, theirs = both
    store(owner, table, mine)
    for statement in (insert(table).values(sample(table, theirs)), update(table).values(tenant_id=theirs)):
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with database.tenant(mine) as connection:
                await connection.execute(statement)


@pytest.mark.parametrize(
    ("role", "table"),
    [
        (role, table)
        for role in (TENANT_ROLE, IDENTITY_ROLE)
        for table in OF_TENANTS
        if not (role == IDENTITY_ROLE and table.name in FOUND_BY_IDENTITY)
    ],
    ids=str,
)
async def test_outside_a_tenant_no_row_is_reached(
    settings: Settings, owner: Engine, both: tuple[int, int], role: str, table: Table
) -> None:
    store(owner, table, both[0])
    database = Database.connect(settings, role=role)
    async with database.system() as connection:
        assert (await connection.execute(select(table))).all() == []
        assert (await connection.execute(update(table).values(tenant_id=both[0]))).rowcount == 0
        assert (await connection.execute(delete(table))).rowcount == 0
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with database.system() as connection:
            await connection.execute(insert(table).values(sample(table, both[1])))
    await database.close()


@pytest.mark.parametrize("name", sorted(IDENTITY_ONLY))
async def test_what_only_identity_needs_is_closed_to_the_tenant_role(database: Database, name: str) -> None:
    table = metadata.tables[name]
    values = sample(table, 1)
    for statement in (select(table), insert(table).values(values), update(table).values(values), delete(table)):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with database.tenant(1) as connection:
                await connection.execute(statement)


def test_a_table_belongs_to_a_tenant_or_is_listed_with_a_reason(owner: Engine) -> None:
    assert {name for name, table in metadata.tables.items() if "tenant_id" not in table.c} == SHARED.keys()
    query = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND NOT tablename LIKE ANY (:known)")
    with owner.begin() as connection:
        undeclared = set(connection.execute(query, {"known": list(FOREIGN)}).scalars()) - metadata.tables.keys()
    assert undeclared == set()


def test_what_runs_over_all_tenants_is_listed_and_looks_nowhere_else(owner: Engine) -> None:
    query = text("""
        SELECT proname, pg_get_function_result(oid) AS answer, proconfig
        FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace""")
    with owner.begin() as connection:
        found = connection.execute(query).all()
    assert {row.proname: row.answer for row in found} == OVER_ALL_TENANTS
    assert all(row.proconfig == ["search_path=public"] for row in found)


async def test_a_tenant_sees_no_other_tenant_and_changes_none(settings: Settings, identity_database: Database) -> None:
    made = []
    for slug in ("isolated-one", "isolated-two"):
        async with identity_database.system() as connection:
            new = insert(tenants).values(slug=slug, name=slug, plan="free").returning(tenants.c.id)
            made.append((await connection.execute(new)).scalar_one())
    app = Database.connect(settings)
    for database in (app, identity_database):
        async with database.tenant(made[0]) as connection:
            assert (await connection.execute(select(tenants.c.id))).scalars().all() == [made[0]]
        for statement in (update(tenants).values(name="changed"), delete(tenants)):
            with pytest.raises(ProgrammingError, match="permission denied"):
                async with database.tenant(made[0]) as connection:
                    await connection.execute(statement)
    async with app.system() as connection:
        assert (await connection.execute(select(tenants))).all() == []
    await app.close()


async def test_identity_finds_the_tenant_of_a_credential(
    owner: Engine, identity_database: Database, both: tuple[int, int]
) -> None:
    for table in (members, api_keys):
        store(owner, table, *both)
        async with identity_database.system() as connection:
            found = (await connection.execute(select(table.c.tenant_id).where(table.c.tenant_id.in_(both)))).scalars()
            assert set(found) == set(both)


async def test_a_connection_that_was_in_a_tenant_is_in_none_afterwards(
    settings: Settings, both: tuple[int, int]
) -> None:
    table = metadata.tables["segments"]
    database = Database.connect(settings, pool_size=1)
    for _ in range(5):
        async with database.tenant(both[0]) as connection:
            await connection.execute(insert(table).values(sample(table, both[0])))
        async with database.system() as connection:
            assert (await connection.execute(select(table))).all() == []
    await database.close()
