"""Deleted rows leave the disk: a delete only hides them, until their part is merged, which large ones may never be.

So does the delete itself, whose text names users: of those that are done the engine keeps the last one (see `schema`),
which is that of this here then.
"""

import asyncio
import logging
from functools import partial

from clickhouse_connect.driver.client import Client

from services.kit.repeating import repeat
from services.warehouse.engine import Engine
from services.warehouse.layout import ONE_ENGINE, Layout

log = logging.getLogger("warehouse")

# Writing all parts with hidden rows anew takes some seconds for ten million rows.
PURGE_SECONDS = 6 * 3600.0

MASKED = """
    SELECT table FROM {parts} WHERE database = currentDatabase() AND active AND has_lightweight_delete
    UNION DISTINCT
    SELECT table FROM {mutations} WHERE database = currentDatabase() AND command LIKE '%_row_exists = 0%'
"""


def purge(client: Client, layout: Layout = ONE_ENGINE) -> None:
    """Writes every part that has hidden rows anew, without them. The old one stays for eight minutes."""
    masked = MASKED.format(parts=layout.system("parts"), mutations=layout.system("mutations"))
    for (table,) in client.query(masked).result_rows:
        client.command(f"ALTER TABLE {table}{layout.on_cluster} APPLY DELETED MASK SETTINGS mutations_sync = 2")
        log.info("deleted rows were taken off the disk", extra={"table": table})


async def keep_purging(engine: Engine) -> None:
    """Does so again and again, for ever."""
    await asyncio.sleep(PURGE_SECONDS)
    await repeat(PURGE_SECONDS, partial(engine.erasures.run, partial(purge, layout=engine.layout)))
