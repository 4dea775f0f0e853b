"""At the start of a process secrets come under its first key, those of all tenants."""

import logging

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, select

from services.connectors.renewal import renew_secrets
from services.kit.postgres import Database
from services.kit.vault import Vault
from services.schema.connectors import activations, webhooks
from tests.integration.connectors.rows import add_segment

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))


async def store(database: Database, tenant_id: int, sealed: bytes | None) -> None:
    """A connector and a webhook with a secret."""
    segment_id = await add_segment(database, tenant_id)
    async with database.tenant(tenant_id) as connection:
        connector = {"segment_id": segment_id, "connector_type": "tool", "config": {}, "secrets": sealed}
        await connection.execute(insert(activations).values(tenant_id=tenant_id, **connector))
        await connection.execute(insert(webhooks).values(tenant_id=tenant_id, url="https://x", secret=sealed))


async def stored(database: Database, tenant_id: int) -> list[bytes]:
    async with database.tenant(tenant_id) as connection:
        return [
            sealed
            for column in (activations.c.secrets, webhooks.c.secret)
            for sealed in (await connection.execute(select(column).order_by(column.table.c.id))).scalars()
        ]


async def test_secrets_of_all_tenants_come_under_the_first_key(database: Database, tenant_id: int) -> None:
    tenant_ids = (tenant_id, tenant_id + 500_000)
    for each in tenant_ids:
        await store(database, each, Vault([OLD]).seal("the secret"))
        await store(database, each, None)
    await renew_secrets(database, Vault([NEW, OLD]))
    for each in tenant_ids:
        renewed = await stored(database, each)
        assert [sealed and Vault([NEW]).unseal(sealed) for sealed in renewed] == ["the secret", None] * 2
        await renew_secrets(database, Vault([NEW, OLD]))
        assert await stored(database, each) == renewed


async def test_a_secret_under_no_known_key_is_logged_and_left(
    database: Database, tenant_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    sealed = Vault([LOST]).seal("the secret")
    await store(database, tenant_id, sealed)
    with caplog.at_level(logging.ERROR):
        await renew_secrets(database, Vault([NEW]))
    assert await stored(database, tenant_id) == [sealed, sealed]
    lost = [record for record in caplog.records if getattr(record, "tenant_id", 0) == tenant_id]
    assert [getattr(record, "table", "") for record in lost] == ["activations", "webhooks"]
