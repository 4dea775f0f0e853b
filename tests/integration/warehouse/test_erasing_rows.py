"""Rows of erased users are deleted from every table, at once to readers and later from the disk."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import clickhouse_connect

from services.warehouse import erasing, mirror, purging, schema
from services.warehouse.engine import EVERYWHERE
from services.warehouse.loading import inserts
from services.warehouse.loading.blocks import Block
from services.warehouse.loading.messages import Message
from tests.integration.warehouse.rows import RECEIVED_AT, Event, rows

NAME_USERS = """
    SELECT table, name FROM system.columns WHERE database = currentDatabase() AND name IN ('user_id', 'person_id')
      AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree')"""
ROWS_ON_DISK = "SELECT sum(rows) FROM system.parts WHERE database = currentDatabase() AND active AND table = 'events'"

# The engine deletes what a table does not keep of finished mutations, in its own time.
LAST_MUTATIONS = """
    SELECT table, argMax(command, block_numbers.number[1]) FROM system.mutations WHERE database = currentDatabase()
    GROUP BY table"""
KEEP_ONE_MUTATION = """
    SELECT name FROM system.tables
    WHERE database = currentDatabase() AND create_table_query LIKE '%finished_mutations_to_keep = 1%'"""


def erased(directory: str) -> dict[str, Any]:
    """Erases one of two users from a new warehouse, and tells what is there."""
    client = clickhouse_connect.get_client(dsn=f"chdb://{directory}", settings=EVERYWHERE)
    schema.create(client)
    events = [Event(user_id=user, event_type="context_identified") for user in ("ann", "bob", "ann")]
    for tenant in (1, 2):
        of = rows(tenant, *events)
        message = Message(sequence=tenant, subject="events.1", published_at=RECEIVED_AT, read_at=0, rows=of)
        inserts.insert(client, Block.of([message]))
    mirror.append(client, 1, 7, b"1\tann\t1\t2026-04-25 14:32:00.000\n1\tbob\t1\t2026-04-25 14:32:00.000\n")
    client.command("INSERT INTO user_links VALUES (1, 'visitor', 'ann', 1), (1, 'other', 'bob', 2)")
    found = [dict(erasing.erase(client, 1, ["ann", *(f"nobody-{n}" for n in range(2_000))])) for _ in range(2)]
    before = client.query(ROWS_ON_DISK).result_rows
    purging.purge(client)
    tables = {
        name: client.query(f"SELECT count() FROM {name} WHERE tenant_id = 1").result_rows for name in erasing.TABLES
    }
    return {
        "columns": set(client.query(NAME_USERS).result_rows),
        "found": found,
        "left": {name: count for name, [(count,)] in tables.items()},
        "last mutations": set(client.query(LAST_MUTATIONS).result_rows),
        "keep one": {name for (name,) in client.query(KEEP_ONE_MUTATION).result_rows},
        "on disk": (before[0][0], client.query(ROWS_ON_DISK).result_rows[0][0]),
        "another tenant's": client.query("SELECT count() FROM events WHERE tenant_id = 2").result_rows[0][0],
    }


def test_all_that_tables_have_of_a_user_is_deleted_once_and_leaves_the_disk(
    tmp_path: Path, other_process: ProcessPoolExecutor
) -> None:
    told = other_process.submit(erased, str(tmp_path / "warehouse")).result(60)
    assert told["found"][0] == {
        ("events", "ann"): 2,
        ("users", "ann"): 1,
        ("user_props", "ann"): told["found"][0][("user_props", "ann")],
        ("membership_changes", "ann"): 1,
        ("user_links", "ann"): 1,
    }
    assert told["found"][1] == {}
    assert told["left"] == {"events": 1, "users": 1, "user_props": 1, "membership_changes": 1, "user_links": 1}
    assert told["on disk"] == (6, 4)
    assert {command for _, command in told["last mutations"]} == {"(APPLY DELETED MASK)"}
    assert told["keep one"] == erasing.TABLES.keys()
    assert told["another tenant's"] == 3
    # A new table is here too.
    assert told["columns"] == {(table, column) for table, columns in erasing.TABLES.items() for column in columns}
