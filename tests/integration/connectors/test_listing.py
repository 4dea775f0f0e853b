"""Lists of connectors and of their logs, page by page."""

import pytest

from services.kit.errors import Invalid
from services.kit.postgres import Database
from services.kit.wire import nullable
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.rows import add_log, add_segment

CONFIG = {"url": "https://example.com/hook", "secret": "a-webhook-secret"}


async def test_a_connector_reads_back_as_it_was_made(tenant: Tenant, database: Database) -> None:
    segment_id = await add_segment(database, tenant.id)
    made = await tenant.create(segment_id, "webhook", CONFIG)
    assert made == await tenant.get(made.id)
    assert (made.segment, made.segment_name, made.connector_type, made.status) == (
        segment_id,
        "Buyers",
        "webhook",
        "inactive",
    )
    assert made.config == nullable({"url": CONFIG["url"], "secret": "***"})
    assert made.last_synced_at == made.last_error == nullable(None)
    assert made.created_at == made.updated_at
    assert made.created_at.nanos == 0


async def test_connectors_are_listed_by_id(tenant: Tenant, database: Database) -> None:
    segment_id = await add_segment(database, tenant.id)
    made = [await tenant.create(segment_id, "webhook", CONFIG) for _ in range(5)]
    page = await tenant.list(limit=2, offset=1)
    assert (page.count, list(page.results)) == (5, made[1:3])
    assert list((await tenant.list(page=3, page_size=2)).results) == made[4:]
    assert (await tenant.list(offset=9)).count == 5


async def test_logs_are_listed_newest_first(tenant: Tenant, database: Database) -> None:
    made = await tenant.create(await add_segment(database, tenant.id), "webhook", CONFIG)
    await add_log(database, tenant.id, made.id, status="failed", error_message="The server answered 500.", attempt=1)
    await add_log(database, tenant.id, made.id, added=3, removed=1, user_count=2, attempt=2)
    newest, oldest = (await tenant.logs(made.id)).results
    assert (newest.status, newest.added, newest.removed, newest.user_count, newest.attempt) == ("success", 3, 1, 2, 2)
    assert newest.error_message == nullable(None)
    assert (oldest.status, oldest.error_message) == ("failed", nullable("The server answered 500."))
    page = await tenant.logs(made.id, limit=1, offset=1)
    assert (page.count, list(page.results)) == (2, [oldest])


async def test_a_wrong_page_is_told_by_field(tenant: Tenant) -> None:
    for fields in ({"limit": 0}, {"limit": 201}, {"offset": -1}, {"page": 0}, {"page_size": 1000}):
        with pytest.raises(Invalid) as raised:
            await tenant.list(**fields)
        assert raised.value.fields.keys() == fields.keys()
