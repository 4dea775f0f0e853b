"""Events are removed when they are older than what is kept, and with them whatever followed from them alone.

What the tables about users say comes to be what the events that are left say. The events go last: they tell which users
have something to lose, so that a removal that was interrupted can be done again from the begin.
"""

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from clickhouse_connect.driver.client import Client

from services.kit.repeating import repeat
from services.warehouse.engine import Engine
from services.warehouse.layout import ONE_ENGINE, Layout
from services.warehouse.loading.expired import oldest_kept
from services.warehouse.loading.loader import Loader

log = logging.getLogger("warehouse")

FIRST_SECONDS, CHECK_SECONDS = 60.0, 3600.0
# Users whose rows are made anew together, so that they find room in memory.
USERS = 1_000_000

EXPIRED = "tenant_id = {tenant:UInt32} AND occurred_at < fromUnixTimestamp64Milli({before:Int64}, 'UTC')"
SOME = "cityHash64(user_id) % {slices:UInt32} = {slice:UInt32}"


def remove(client: Client, before: datetime, layout: Layout = ONE_ENGINE) -> int:
    """Removes all that occurred before an instant; how many events there were."""
    removed = 0
    for tenant_id, events, users in client.query(_tenants(), parameters={"before": _milliseconds(before)}).result_rows:
        _forget_users(client, layout, tenant_id, before, -(-users // USERS))
        removed += events
    if removed:
        _delete(client, layout, "events", "occurred_at < fromUnixTimestamp64Milli({before:Int64}, 'UTC')", before)
        log.info("events that are no longer kept were removed", extra={"events": removed, "before": str(before)})
    return removed


async def keep_removing(engine: Engine, loader: Loader, retention_days: int) -> None:
    """Does so again and again, for ever, while this process is the one that loads."""
    await asyncio.sleep(FIRST_SECONDS)

    async def look() -> None:
        before = oldest_kept(retention_days, datetime.now(UTC))
        if loader.is_reading and before is not None:
            await engine.backups.run(partial(remove, before=before, layout=engine.layout))

    await repeat(CHECK_SECONDS, look)


def _tenants() -> str:
    return """
        SELECT tenant_id, count(), uniq(user_id) FROM events
        WHERE occurred_at < fromUnixTimestamp64Milli({before:Int64}, 'UTC') GROUP BY tenant_id
    """


def _forget_users(client: Client, layout: Layout, tenant_id: int, before: datetime, slices: int) -> None:
    for bound in _slices(tenant_id, before, slices):
        old = "tenant_id = {tenant:UInt32} AND first_seen < fromUnixTimestamp64Milli({before:Int64}, 'UTC')"
        _delete(client, layout, "users", f"{old} AND {SOME}", before, bound)
        client.command(
            f"""
            INSERT INTO users SELECT tenant_id, user_id, min(occurred_at), max(occurred_at) FROM events
            WHERE tenant_id = {{tenant:UInt32}} AND {SOME}
              AND occurred_at >= fromUnixTimestamp64Milli({{before:Int64}}, 'UTC')
              AND user_id GLOBAL IN (SELECT DISTINCT user_id FROM events WHERE {EXPIRED} AND {SOME})
            GROUP BY tenant_id, user_id""",
            parameters=bound,
        )
    # The upper half of a version is when its properties were set.
    versions = "tenant_id = {tenant:UInt32} AND bitShiftRight(ver, 64) < {before:Int64}"
    _delete(client, layout, "user_props", versions, before, {"tenant": tenant_id})


def _slices(tenant_id: int, before: datetime, slices: int) -> Iterator[dict[str, object]]:
    bound = {"tenant": tenant_id, "before": _milliseconds(before), "slices": slices}
    return ({**bound, "slice": number} for number in range(slices))


def _delete(
    client: Client,
    layout: Layout,
    table: str,
    where: str,
    before: datetime,
    bound: dict[str, object] | None = None,
) -> None:
    statement = f"DELETE FROM {layout.stored(table)}{layout.on_cluster} WHERE {where}"
    client.command(statement, parameters={**(bound or {}), "before": _milliseconds(before)})


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
