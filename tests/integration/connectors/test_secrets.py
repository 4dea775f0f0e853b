"""A secret goes to its destination and nowhere else: not into an answer, a log, an error, a job or a table."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from services.kit.errors import Invalid
from services.kit.keys import CONNECTORS_KEY, secret
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.kit.vault import Unreadable, Vault
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.conftest import LOOPBACK
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.rows import add_segment, row_of
from tests.integration.connectors.standin import Received, answer, standing_in
from tests.integration.process import ServiceProcess
from tests.integration.segments.calling import until

SECRET = "a-secret-that-nobody-else-sees"


@pytest.fixture
async def echoing() -> AsyncIterator[tuple[str, list[str]]]:
    """A destination that answers each call with an error that holds all of it; the keys that it was shown."""
    shown: list[str] = []

    async def echo(received: Received, writer: asyncio.StreamWriter) -> None:
        shown.append(received.headers["authorization"])
        told = f"{received.path} {dict(received.headers)} {received.body.decode()}"
        writer.write(answer(500, told.encode(), x_told=SECRET))

    async with standing_in(echo) as port:
        yield f"http://127.0.0.1:{port}", shown


async def tables(settings: Settings) -> str:
    """Everything that PostgreSQL holds, as text."""
    everything = Database.connect(settings, role="segops")
    try:
        async with everything.system() as connection:
            names = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
            rows = [(await connection.execute(text(f"SELECT t::text FROM {name} t"))).scalars() for (name,) in names]
            return "\n".join(row for table in rows for row in table)
    finally:
        await everything.close()


async def test_a_secret_reaches_its_destination_only(
    tenant: Tenant, database: Database, settings: Settings, process: ServiceProcess, echoing: tuple[str, list[str]]
) -> None:
    url, shown = echoing
    segment = await Segment.create(database, tenant.id)
    await segment.compute(["ann"])
    config = {"base_url": url, "api_key": SECRET, "audience_id": 1}
    made = await tenant.create(segment.id, "talonone", config)
    await tenant.update(made.id, status="active")

    async def has_failed() -> bool:
        return bool((await tenant.logs(made.id)).count)

    await until(has_failed)
    assert SECRET in shown[0]
    answers = [await tenant.get(made.id), await tenant.list(), await tenant.logs(made.id)]
    for place in (*map(str, answers), await tables(settings), process.said()):
        assert SECRET not in place
    await tenant.delete(made.id)


async def test_a_kept_secret_does_not_follow_to_another_server(
    tenant: Tenant, database: Database, process: ServiceProcess
) -> None:
    config = {"base_url": "http://127.0.0.1:1", "api_key": SECRET, "audience_id": 1}
    made = await tenant.create(await add_segment(database, tenant.id), "talonone", config)
    kept = await tenant.update(made.id, config={**config, "api_key": "***", "audience_id": 2})
    assert kept.config.struct_value["audience_id"] == 2
    for elsewhere in ("http://127.0.0.1:2", "http://127.0.0.2:1", "https://127.0.0.1:1"):
        with pytest.raises(Invalid) as raised:
            await tenant.update(made.id, config={**config, "api_key": "***", "base_url": elsewhere})
        assert "api_key" in [text.partition(":")[0] for text in raised.value.fields["config"]]
    await tenant.update(made.id, config={**config, "api_key": "new", "base_url": "http://127.0.0.1:2"})
    await tenant.delete(made.id)


async def test_a_secret_is_in_no_error(tenant: Tenant, database: Database, process: ServiceProcess) -> None:
    config = {"base_url": SECRET, "api_key": f"{SECRET}\n", "audience_id": SECRET, "key": SECRET}
    with pytest.raises(Invalid) as raised:
        await tenant.create(await add_segment(database, tenant.id), "talonone", config)
    assert {text.partition(":")[0] for text in raised.value.fields["config"]} == config.keys()
    assert SECRET not in str(raised.value.fields)
    assert SECRET not in process.said()


async def test_a_new_first_key_is_taken_at_the_start(tenant: Tenant, database: Database, settings: Settings) -> None:
    config = {"url": "https://example.com/hook", "secret": SECRET}
    made = await tenant.create(await add_segment(database, tenant.id), "webhook", config)
    old, new = secret(settings, CONNECTORS_KEY), Fernet.generate_key().decode()
    # And back, for what other tests have stored.
    for keys, first in ((new, new), (f"{old}, {new}", old)):
        with running(settings, keys):
            await until(partial(is_under, database, tenant.id, made.id, first))


@contextmanager
def running(settings: Settings, keys: str) -> Iterator[None]:
    """A second connectors process within the block."""
    listen = f"unix:{settings.run_dir / 'connectors-2.sock'}"
    process = ServiceProcess(settings, "connectors", SEGOPS_LISTEN=listen, SEGOPS_CONNECTORS_KEYS=keys, **LOOPBACK)
    process.start()
    try:
        yield
    finally:
        process.stop()


async def is_under(database: Database, tenant_id: int, activation_id: int, key: str) -> bool:
    """Whether a connector's secrets are encrypted under a key."""
    row = await row_of(database, tenant_id, activation_id)
    try:
        return Vault([key]).unseal_all(row.secrets) == {"secret": SECRET}
    except Unreadable:
        return False
