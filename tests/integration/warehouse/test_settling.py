"""Blocks in doubt, in each state a crash can leave them in."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from services.warehouse import schema
from services.warehouse.engine import EVERYWHERE
from services.warehouse.loading import inserts
from services.warehouse.loading.blocks import Block
from services.warehouse.loading.messages import Message
from tests.integration.warehouse.rows import RECEIVED_AT, Event, rows

USERS = [f"u{number}" for number in range(10)]
EVENTS = rows(1, *(Event(user_id=user, event_type="context_identified", payload='{"a":1}') for user in USERS))


def block() -> Block:
    message = Message(sequence=7, subject="events.1", published_at=RECEIVED_AT, read_at=0.0, rows=EVENTS)
    return Block.of([message])


def not_inserted(client: Client) -> None:
    """Killed after the intent, before the insert."""


def inserted(client: Client) -> None:
    """Killed after the insert."""
    inserts.insert(client, block())


def token_without_rows(client: Client) -> None:
    """Killed between writing down the token and storing the rows."""
    inserts.insert(client, block())
    client.command("DELETE FROM events WHERE batch_id = 7")


def some_rows(client: Client) -> None:
    """Stored in part."""
    inserts.insert(client, block())
    client.command("DELETE FROM events WHERE batch_id = 7 AND user_id < 'u5'")


def repair_without_rows(client: Client) -> None:
    """Killed between the token and the rows of the first repair too."""
    for suffix in ("", "/r1", "/r2"):
        inserts.insert(client, block(), suffix=suffix)
    client.command("DELETE FROM events WHERE batch_id = 7")


def inserted_twice(client: Client) -> None:
    """The token was forgotten, as after a power cut."""
    inserts.insert(client, block())
    inserts.insert(client, block(), suffix="/again")


def derived_rows_lost(client: Client) -> None:
    """Stored, but not what is derived from it."""
    inserts.insert(client, block())
    client.command("TRUNCATE TABLE users")
    client.command("TRUNCATE TABLE user_props")


def settled(directory: str, state: Callable[[Client], None]) -> dict[str, list[object]]:
    """Brings a new warehouse into a state, settles the block twice, and tells what is stored."""
    client = clickhouse_connect.get_client(dsn=f"chdb://{directory}", settings=EVERYWHERE)
    schema.create(client)
    schema.create(client)
    state(client)
    inserts.settle(client, block())
    inserts.settle(client, block())
    stored = {
        table: [row[0] for row in client.query(f"SELECT user_id FROM {source} ORDER BY user_id").result_rows]
        for table, source in {"events": "events", "users": "users FINAL", "user_props": "user_props FINAL"}.items()
    }
    client.close()
    return stored


@pytest.mark.parametrize(
    "state",
    [not_inserted, inserted, token_without_rows, some_rows, repair_without_rows, inserted_twice, derived_rows_lost],
)
def test_a_block_in_doubt_is_settled_to_be_stored_once(
    tmp_path: Path, other_process: ProcessPoolExecutor, state: Callable[[Client], None]
) -> None:
    stored = other_process.submit(settled, str(tmp_path / "warehouse"), state).result()
    assert stored == {"events": USERS, "users": USERS, "user_props": USERS}
