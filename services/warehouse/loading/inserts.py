"""Statements of the loader: a block goes in, and is counted and put right when it is in doubt."""

import time
import uuid
from collections.abc import Callable, Sequence

from clickhouse_connect.driver.client import Client

from services.warehouse.layout import ONE_ENGINE, Layout
from services.warehouse.loading.blocks import Block
from services.warehouse.loading.messages import Message
from services.warehouse.tables import DERIVED

FORMAT = "TabSeparated"
POLL_SECONDS = 0.05
MAX_REPAIRS = 20

Confirm = Callable[[], None]


class NotRepaired(Exception):
    """The warehouse does not hold the rows of a block, however often it is given them."""


def insert(client: Client, block: Block, *, suffix: str = "") -> None:
    """Inserts a block; one that was inserted under the same token is ignored by the warehouse."""
    if block.count:
        settings = {"insert_deduplication_token": block.token + suffix}
        client.raw_insert("events", insert_block=block.rows, fmt=FORMAT, settings=settings)


def settle(client: Client, block: Block, layout: Layout = ONE_ENGINE, confirm: Confirm = lambda: None) -> None:
    """Makes a block in doubt stored exactly once. Raises NotRepaired.

    The same token again completes a block that stopped half way, on a cluster on the shards that miss it. The embedded
    engine writes down a token before it stores the rows, so a process that died in between left a token without rows:
    then only a new token helps. `confirm` raises when another process loads by now, and nothing may be deleted.
    """
    insert(client, block)
    _await_deletes(client, layout)
    for attempt in range(1, MAX_REPAIRS + 1):
        stored = count(client, block.batch_id)
        if stored == block.count:
            break
        if stored:
            confirm()
            delete = f"DELETE FROM {layout.stored('events')}{layout.on_cluster} WHERE batch_id = {{id:UInt64}}"
            client.command(delete, parameters={"id": block.batch_id})
        insert(client, block, suffix=f"/r{attempt}")
    else:
        raise NotRepaired(f"batch {block.batch_id} has {count(client, block.batch_id)} of {block.count} rows")
    # A cluster stores a block and its token at once, in each table: what follows from it came with the same token.
    if not layout.cluster:
        _derive(client, block)


def count(client: Client, batch_id: int) -> int:
    """How many rows of a batch are stored."""
    query = "SELECT count() FROM events WHERE batch_id = {id:UInt64}"
    return int(client.query(query, parameters={"id": batch_id}).result_rows[0][0])


def is_empty(client: Client) -> bool:
    """Whether no event is stored."""
    return not client.query("SELECT 1 FROM events LIMIT 1").result_rows


def probe(client: Client, messages: Sequence[Message]) -> None:
    """Raises the engine's error for the rows of messages, without storing anything."""
    rows = b"".join(message.rows for message in messages).replace(b"\n", b"\t0\n")
    client.raw_insert("events_probe", insert_block=rows, fmt=FORMAT)


def _await_deletes(client: Client, layout: Layout) -> None:
    """Returns when no delete is half done: one that a crash interrupted goes on in the background."""
    query = f"""
        SELECT count() FROM {layout.system("mutations")}
        WHERE database = currentDatabase() AND table = '{layout.stored("events")}' AND NOT is_done
    """
    while client.query(query).result_rows[0][0]:
        time.sleep(POLL_SECONDS)


def _derive(client: Client, block: Block) -> None:
    """Writes what the derived tables hold of a block once more, which changes nothing where it is there already."""
    for table, rows, matching in DERIVED:
        where = " AND ".join([f"WHERE batch_id = {block.batch_id}", *([matching] if matching else [])])
        # A token of its own: without one the engine takes an equal insert for a repetition.
        settings = {"insert_deduplication_token": uuid.uuid4().hex}
        client.command(f"INSERT INTO {table} {rows.format(events='events', where=where)}", settings=settings)
