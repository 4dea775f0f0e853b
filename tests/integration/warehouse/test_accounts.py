"""Every received event is accounted for once, as stored, duplicate or skipped, whatever happens in between."""

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from google.protobuf.timestamp_pb2 import Timestamp

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.eventlog import DEDUP_HEADER, SKIPPED_HEADER
from services.warehouse import intake, schema
from services.warehouse.engine import EVERYWHERE
from services.warehouse.loading import accounts, inserts
from services.warehouse.loading.blocks import Block
from services.warehouse.loading.messages import Message
from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.rows import Event, derived_id, row, rows

# Fixed: another process makes the same blocks, perhaps an hour later.
HOUR = datetime(2026, 11, 2, 12, tzinfo=UTC)
BEFORE = HOUR - timedelta(hours=1)
RECEIVED_AT = HOUR + timedelta(minutes=5)
SKIPPED = json.dumps({"at": f"{BEFORE:%Y-%m-%d %H:%M:%S.000}", "types": {"a": 2, "": 1}})

# What the hours hold by type: stored, duplicate, skipped.
Accounts = dict[tuple[datetime, str], tuple[int, int, int]]


def block() -> Block:
    a, b = (Event(event_type=kind, received_at=RECEIVED_AT) for kind in ("a", "b"))
    early = replace(a, received_at=HOUR - timedelta(milliseconds=1))
    message = Message(sequence=7, subject="events.1", published_at=RECEIVED_AT, read_at=0.0, rows=b"")
    return Block.of(
        [
            replace(message, rows=rows(1, a, a, b, early)),
            replace(message, sequence=8, repeated=(row(1, a), row(1, early)), skipped=SKIPPED),
            replace(message, sequence=9, rows=b"\n\n").without_rows(),
        ]
    )


EXPECTED: Accounts = {
    (BEFORE, ""): (0, 0, 1),
    (BEFORE, "a"): (1, 1, 2),
    (HOUR, ""): (0, 0, 2),
    (HOUR, "a"): (2, 1, 0),
    (HOUR, "b"): (1, 0, 0),
}


def not_inserted(client: Client) -> None:
    """Killed after the intent."""


def not_accounted(client: Client) -> None:
    """Killed between the two inserts."""
    inserts.insert(client, block())


def accounted(client: Client) -> None:
    """Killed after both."""
    inserts.insert(client, block())
    accounts.write(client, block())


def token_without_rows(client: Client) -> None:
    """Killed between writing down the token and storing the rows."""
    inserts.insert(client, block())
    for table in ("events", "intake"):
        client.command(f"TRUNCATE TABLE {table}")


def some_rows(client: Client) -> None:
    """Stored in part."""
    accounted(client)
    client.command("DELETE FROM events WHERE batch_id = 7 AND event_type = 'b'")


def derived_rows_lost(client: Client) -> None:
    """Stored, but not counted."""
    inserts.insert(client, block())
    client.command("TRUNCATE TABLE intake")


def inserted_twice(client: Client) -> None:
    """The token was forgotten, as after a power cut."""
    accounted(client)
    inserts.insert(client, block(), suffix="/again")


def settled(directory: str, state: Callable[[Client], None]) -> Accounts:
    """Brings a new warehouse into a state, settles the block twice, and tells the accounts."""
    client = clickhouse_connect.get_client(dsn=f"chdb://{directory}", settings=EVERYWHERE, tz_mode="aware")
    schema.create(client)
    state(client)
    for _ in range(2):
        inserts.settle(client, block())
        accounts.write(client, block())
    found = intake.by_hour(client, 1, BEFORE, HOUR + timedelta(hours=1))
    client.close()
    return {(hour.hour, hour.event_type): (hour.stored, hour.duplicate, hour.skipped) for hour in found}


@pytest.mark.parametrize(
    "state",
    [not_inserted, not_accounted, accounted, token_without_rows, some_rows, derived_rows_lost, inserted_twice],
)
def test_a_block_in_doubt_is_accounted_for_once(
    tmp_path: Path, other_process: ProcessPoolExecutor, state: Callable[[Client], None]
) -> None:
    assert other_process.submit(settled, str(tmp_path / "warehouse"), state).result() == EXPECTED


async def intake_of(warehouse: Warehouse, tenant: int, begin: datetime = BEFORE, hours: int = 3) -> Accounts:
    """The accounts of a tenant, as the warehouse answers them."""
    request = pb.GetIntakeRequest(**{"from": _timestamp(begin)}, to=_timestamp(begin + timedelta(hours=hours)))
    answer = await warehouse.stub.GetIntake(request, metadata=warehouse.metadata(tenant))
    return {
        (hour.hour.ToDatetime(UTC), hour.event_type): (hour.stored, hour.duplicate, hour.skipped)
        for hour in answer.hours
    }


def _timestamp(moment: datetime) -> Timestamp:
    return Timestamp(seconds=int(moment.timestamp()))


async def test_what_is_loaded_is_accounted_for_by_hour_and_type(
    warehouse: Warehouse, tenant: int, other_tenant: int
) -> None:
    once = Event(event_type="a", received_at=RECEIVED_AT, event_id=derived_id(tenant, "m"))
    again = replace(once, event_type="b")
    early = Event(event_type="a", received_at=BEFORE)
    await warehouse.log.append(tenant, rows(tenant, once, early, again), {DEDUP_HEADER: "1", SKIPPED_HEADER: SKIPPED})
    await warehouse.log.append(other_tenant, rows(other_tenant, early))
    await warehouse.loaded(await warehouse.log.append(tenant, rows(tenant, again, again), {DEDUP_HEADER: "1"}))
    expected: Accounts = {
        (BEFORE, ""): (0, 0, 1),
        (BEFORE, "a"): (1, 0, 2),
        (HOUR, "a"): (1, 0, 0),
        (HOUR, "b"): (0, 3, 0),
    }
    assert await intake_of(warehouse, tenant) == expected
    assert await intake_of(warehouse, tenant, HOUR, 1) == {key: expected[key] for key in expected if key[0] == HOUR}
    assert await intake_of(warehouse, tenant, BEFORE, 0) == {}
    assert await intake_of(warehouse, other_tenant) == {(BEFORE, "a"): (1, 0, 0)}


async def test_messages_that_are_put_aside_are_accounted_for_as_skipped(warehouse: Warehouse, tenant: int) -> None:
    begun = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    good = row(tenant, Event(event_type="a", received_at=RECEIVED_AT))
    for bad in (good + b"\\\t\n", good[:-1], b"\xff\n", good.replace(b"\n", b"\tx\n") * 3):
        await warehouse.log.append(tenant, bad, {SKIPPED_HEADER: SKIPPED})
    await warehouse.loaded(await warehouse.log.append(tenant, good))
    assert await intake_of(warehouse, tenant) == {
        (HOUR, "a"): (1, 0, 0),
        (BEFORE, "a"): (0, 0, 8),
        (BEFORE, ""): (0, 0, 4),
    }
    # Of the hours in which they came into the log.
    found = await intake_of(warehouse, tenant, begun - timedelta(hours=1))
    assert {kind for _, kind in found} == {""}
    assert [sum(column) for column in zip(*found.values(), strict=True)] == [0, 0, 2 + 1 + 1 + 3]


async def test_a_message_without_rows_or_with_a_header_that_cannot_be_read_stops_nothing(
    warehouse: Warehouse, tenant: int
) -> None:
    await warehouse.log.append(tenant, b"", {SKIPPED_HEADER: SKIPPED})
    await warehouse.loaded(await warehouse.log.append(tenant, b"", {SKIPPED_HEADER: "{"}))
    assert await intake_of(warehouse, tenant) == {(BEFORE, ""): (0, 0, 1), (BEFORE, "a"): (0, 0, 2)}


async def test_known_events_are_told_to_their_tenant_only(warehouse: Warehouse, tenant: int, other_tenant: int) -> None:
    once = Event(received_at=RECEIVED_AT, event_id=derived_id(tenant, "m"))
    await warehouse.loaded(await warehouse.log.append(tenant, rows(tenant, once), {DEDUP_HEADER: "1"}))
    request = pb.FindKnownEventsRequest(event_ids=derived_id(tenant, "other").bytes + once.event_id.bytes)
    for asking, known in ((tenant, b"\0\1"), (other_tenant, b"\0\0")):
        answer = await warehouse.stub.FindKnownEvents(request, metadata=warehouse.metadata(asking))
        assert answer.known == known
