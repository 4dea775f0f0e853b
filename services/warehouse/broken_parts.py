"""Parts of tables that cannot be read: a merge that meets a full disk may leave one in the place of good ones.

Its small files are empty then, and queries that need it fail. The parts it was made of are kept for eight minutes
(`old_parts_lifetime`): a table that is loaded anew takes those and sets the broken one aside.
"""

import logging
import threading

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.warehouse.failures import UNKNOWN_TABLE, code_of

log = logging.getLogger("warehouse")

TABLES = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
DETACHED = "SELECT table FROM system.detached_tables WHERE database = currentDatabase()"

_one_at_a_time = threading.Lock()


def set_aside(client: Client, error: ClickHouseError) -> None:
    """Loads all tables anew after an error; for a table that is missing, those that are not loaded.

    Does nothing while another thread does so. Queries that run go on, and new ones fail meanwhile. A table that cannot
    be loaded is tried again with the next error.
    """
    if not _one_at_a_time.acquire(blocking=False):
        return
    try:
        # Whoever misses a table may have come while all were loaded anew: doing so again would make others miss it.
        if code_of(error) != UNKNOWN_TABLE:
            log.warning("all tables are loaded anew")
            _each(client, TABLES, "DETACH TABLE {} SYNC")
        _each(client, DETACHED, "ATTACH TABLE {}")
    finally:
        _one_at_a_time.release()


def _each(client: Client, tables: str, statement: str) -> None:
    for (table,) in client.query(tables).result_rows:
        try:
            client.command(statement.format(table))
        except ClickHouseError:
            log.exception("a table could not be loaded anew", extra={"table": table})
