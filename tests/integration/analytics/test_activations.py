"""How syncs went, against their logs one by one."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import insert

from services.kit.postgres import Database
from services.profiles.analytics.activations import activation_stats
from services.profiles.analytics.packing import activation_message
from services.schema.connectors import activations
from tests.integration.analytics.rows import add_segment
from tests.integration.connectors.rows import add_log

NOW = datetime.now(UTC)


async def add_activation(database: Database, tenant_id: int, segment_id: int, **columns: Any) -> int:
    """A connector with a secret; its id."""
    values = {"connector_type": "klaviyo", "config": {"list_id": "Xy12Ab", "api_key": "***"}, "secrets": b"sealed"}
    async with database.tenant(tenant_id) as connection:
        statement = insert(activations).values(tenant_id=tenant_id, segment_id=segment_id, **values, **columns)
        return int((await connection.execute(statement.returning(activations.c.id))).scalar_one())


async def test_rates_and_logs_are_those_of_all_attempts(
    database: Database, tenant_id: int, other_tenant_id: int, random: Random
) -> None:
    segment_id = await add_segment(database, tenant_id, "Buyers", member_count=3)
    logs: dict[int, list[tuple[str, int, datetime]]] = {}
    for attempts in (0, 1, 9, 10, 11, 40):
        activation_id = await add_activation(database, tenant_id, segment_id)
        logs[activation_id] = sorted(
            (
                (random.choice(["success", "failed"]), number, NOW - timedelta(hours=random.randrange(40 * 24)))
                for number in range(attempts)
            ),
            key=lambda log: log[2],
        )
        for status, added, synced_at in logs[activation_id]:
            await add_log(database, tenant_id, activation_id, status=status, added=added, synced_at=synced_at)
    theirs = await add_activation(database, other_tenant_id, await add_segment(database, other_tenant_id, "Theirs"))
    await add_log(database, other_tenant_id, theirs)
    found = await activation_stats(database, tenant_id=tenant_id, now=NOW)
    assert [one.activation.id for one in found] == list(logs)
    for one in found:
        mine = logs[one.activation.id]
        finished = [status for status, _, synced_at in mine if synced_at > NOW - timedelta(days=30)]
        assert one.success_rate == (finished.count("success") / len(finished) if finished else None)
        newest = [(log.status, log.added, log.synced_at) for log in one.logs]
        assert newest == mine[::-1][:10]


async def test_a_connector_shows_its_segment_and_no_secret(database: Database, tenant_id: int) -> None:
    segment_id = await add_segment(database, tenant_id, "Buyers", member_count=3)
    await add_activation(database, tenant_id, segment_id, status="error", last_error="refused", last_synced_at=NOW)
    [stats] = await activation_stats(database, tenant_id=tenant_id, now=NOW)
    message = activation_message(stats)
    assert (message.segment_id, message.segment_name, message.member_count) == (segment_id, "Buyers", 3)
    assert (message.status, message.last_error.string_value) == ("error", "refused")
    assert message.success_rate.WhichOneof("kind") == "null_value"
    assert b"sealed" not in message.SerializeToString()
    assert b"api_key" not in message.SerializeToString()


async def test_a_tenant_without_connectors_has_none(database: Database, tenant_id: int) -> None:
    assert await activation_stats(database, tenant_id=tenant_id, now=NOW) == []
