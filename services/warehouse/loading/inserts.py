"""Statements of the loader: a block goes in, and is counted and put right when it is in doubt."""

import time
import uuid
from collections.abc import Sequence

from clickhouse_connect.driver.client import Client

from services.warehouse.loading.blocks import Block
from services.warehouse.loading.messages import Message
from services.warehouse.schema import INTAKE_OF_EVENTS, PROPERTIES_OF_EVENTS, USERS_OF_EVENTS

FORMAT = "TabSeparated"
POLL_SECONDS = 0.05
MAX_REPAIRS = 20


class NotRepaired(Exception):
    """The warehouse does not hold the rows of a block, however often it is given them."""


def insert(client: Client, block: Block, *, suffix: str = "") -> None:
    """Inserts a block; one that was inserted under the same token is ignored by the warehouse."""
    if block.count:
        settings = {"insert_deduplication_token": block.token + suffix}
        client.raw_insert("events", insert_block=block.rows, fmt=FORMAT, settings=settings)


def settle(client: Client, block: Block) -> None:
    """Makes a block in doubt stored exactly once. Raises NotRepaired.

    The same token again completes a block that stopped half way. The warehouse writes down a token before it stores the
    rows, so a process that died in between left a token without rows: then only a new token helps.
    """
    insert(client, block)
    _await_deletes(client)
    for attempt in range(1, MAX_REPAIRS + 1):
        stored = count(client, block.batch_id)
        if stored == block.count:
            break
        if stored:
            client.command("DELETE FROM events WHERE batch_id = {id:UInt64}", parameters={"id": block.batch_id})
        insert(client, block, suffix=f"/r{attempt}")
    else:
        raise NotRepaired(f"batch {block.batch_id} has {count(client, block.batch_id)} of {block.count} rows")
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


def _await_deletes(client: Client) -> None:
    """Returns when no delete is half done: one that a crash interrupted goes on in the background."""
    query = (
        "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND table = 'events' AND NOT is_done"
    )
    while client.query(query).result_rows[0][0]:
        time.sleep(POLL_SECONDS)


def _derive(client: Client, block: Block) -> None:
    """Writes what the derived tables hold of a block once more, which changes nothing where it is there already."""
    here = f"batch_id = {block.batch_id}"
    for statement in (
        "INSERT INTO users " + USERS_OF_EVENTS.format(where=f"WHERE {here}"),
        "INSERT INTO user_props "
        + PROPERTIES_OF_EVENTS.format(where=f"WHERE {here} AND event_type = 'context_identified'"),
        "INSERT INTO intake " + INTAKE_OF_EVENTS.format(where=f"WHERE {here}"),
    ):
        # A token of its own: without one the engine takes an equal insert for a repetition.
        client.command(statement, settings={"insert_deduplication_token": uuid.uuid4().hex})
