"""Parts of tables whose small files are empty, as a merge that meets a full disk may leave them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from services.warehouse import schema
from services.warehouse.broken_parts import DETACHED, set_aside
from services.warehouse.engine import EMBEDDED_OPTIONS, EVERYWHERE, Lane
from services.warehouse.failures import is_broken
from services.warehouse.loading import inserts
from services.warehouse.loading.blocks import Block
from services.warehouse.loading.messages import Message
from services.warehouse.search import search_users
from services.warehouse.users import get_user
from tests.integration.warehouse.rows import RECEIVED_AT, Event, rows

TENANT, USERS = 1, 100
STORED = {1: USERS, 2: USERS, 3: USERS}
PART = "SELECT path FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND active"

Query = Callable[[Client], object]
Case = Callable[[Client, Lane], object]


def insert(client: Client, batch_id: int) -> None:
    """A block with an event of each of its users."""
    events = rows(TENANT, *(Event(user_id=f"u{batch_id}-{number}") for number in range(USERS)))
    message = Message(sequence=batch_id, subject="events.1", published_at=RECEIVED_AT, read_at=0.0, rows=events)
    inserts.insert(client, Block.of([message]))


def merge_to_a_broken_part(client: Client, table: str) -> None:
    client.command(f"OPTIMIZE TABLE {table} FINAL")
    client.command("SYSTEM DROP MARK CACHE")
    [(part,)] = client.query(PART, {"table": table}).result_rows
    for file in Path(part).iterdir():
        if file.suffix != ".bin":
            file.write_bytes(b"")


def batches(client: Client) -> dict[int, int]:
    """How many rows of each batch are stored."""
    found = client.query("SELECT batch_id, count() FROM events GROUP BY batch_id").result_rows
    return {row[0]: row[1] for row in found}


def users(client: Client) -> int:
    """How many users there are, by the table that a view fills."""
    return search_users(client, TENANT, "", 1, 0, linked=False)[0]


def count(client: Client) -> int:
    return inserts.count(client, 2)


def profile(client: Client) -> object:
    return get_user(client, TENANT, ["u2-7"])


def is_broken_for(lane: Lane, query: Query) -> bool:
    """Whether a query in a lane fails for what is stored."""
    try:
        asyncio.run(lane.run(query))
    except ClickHouseError as error:
        return is_broken(error)
    return False


def one_more(client: Client) -> int:
    """The users when another block is inserted."""
    insert(client, 4)
    return users(client)


def with_a_broken_part(table: str, query: Query, client: Client, lane: Lane) -> object:
    merge_to_a_broken_part(client, table)
    return is_broken_for(lane, query), is_broken_for(lane, query), batches(client), one_more(client)


def with_tables_that_are_not_loaded(directory: Path, client: Client, lane: Lane) -> object:
    for table in ("events", "users"):
        client.command(f"DETACH TABLE {table} SYNC")
    declared = directory / "metadata" / "default" / "users.sql"
    away = declared.rename(declared.with_suffix(".away"))
    failed = is_broken_for(lane, users)
    found = [table for (table,) in client.query(DETACHED).result_rows], batches(client)
    away.rename(declared)
    return failed, *found, is_broken_for(lane, users), one_more(client)


def in_a_warehouse(directory: Path, case: Case) -> object:
    """What a case returns in a new warehouse with three blocks, for its client and a lane that repairs."""
    client = clickhouse_connect.get_client(
        dsn=f"chdb://{directory}", settings=EVERYWHERE, chdb_options=EMBEDDED_OPTIONS
    )
    schema.create(client)
    for batch_id in STORED:
        insert(client, batch_id)
    lane = Lane("test", 1, lambda: client, set_aside)
    found = case(client, lane)
    lane.close()
    client.close()
    return found


@pytest.mark.parametrize(("table", "query"), [("events", count), ("events", profile), ("users", users)])
def test_a_broken_part_fails_one_query_and_no_row_is_lost(
    tmp_path: Path, other_process: ProcessPoolExecutor, table: str, query: Query
) -> None:
    case = partial(with_a_broken_part, table, query)
    found = other_process.submit(in_a_warehouse, tmp_path / "warehouse", case).result()
    assert found == (True, False, STORED, 4 * USERS)


def test_a_table_that_cannot_be_loaded_keeps_no_other_away_and_is_tried_again(
    tmp_path: Path, other_process: ProcessPoolExecutor
) -> None:
    directory = tmp_path / "warehouse"
    case = partial(with_tables_that_are_not_loaded, directory)
    found = other_process.submit(in_a_warehouse, directory, case).result()
    assert found == (True, ["users"], STORED, True, 4 * USERS)


def with_a_broken_part_that_nobody_reads(client: Client, lane: Lane) -> object:
    merge_to_a_broken_part(client, "users")

    def meet_a_full_disk(_: Client) -> None:
        raise DatabaseError("Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space", code=243)

    with suppress(ClickHouseError):
        asyncio.run(lane.run(meet_a_full_disk))
    asyncio.run(lane.run(partial(insert, batch_id=4)))
    return users(client)


def test_a_broken_part_is_set_aside_unread_when_there_is_room_again(
    tmp_path: Path, other_process: ProcessPoolExecutor
) -> None:
    found = other_process.submit(in_a_warehouse, tmp_path / "warehouse", with_a_broken_part_that_nobody_reads).result()
    assert found == 4 * USERS
