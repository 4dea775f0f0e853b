"""What is older than is kept is removed, is not loaded when it comes late, and leaves the log in time."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.eventlog import STREAM, EventLog
from services.warehouse import retention, schema
from services.warehouse.engine import EVERYWHERE
from services.warehouse.loading import accounts, expired, inserts
from services.warehouse.loading.blocks import Block
from services.warehouse.loading.messages import Message
from tests.integration.warehouse.processes import NATS, WAREHOUSE, Processes, Warehouse
from tests.integration.warehouse.rows import Event, payload, rows

NOW = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAYS = 30
OLD, NEW = NOW - timedelta(days=DAYS + 2), NOW - timedelta(days=1)
# The first instant that is kept.
EDGE = expired.oldest_kept(DAYS, NOW) or NOW

IDENTIFIED = "context_identified"
EVENTS = (
    Event(user_id="both", occurred_at=OLD),
    Event(user_id="both", occurred_at=NEW),
    Event(user_id="both", event_type=IDENTIFIED, occurred_at=NEW, payload=payload(city="Köln")),
    Event(user_id="old", occurred_at=OLD),
    Event(user_id="old", event_type=IDENTIFIED, occurred_at=OLD, payload=payload(city="Bonn")),
    Event(user_id="new", occurred_at=NEW),
    Event(user_id="edge", occurred_at=EDGE),
)


def message(*events: Event) -> Message:
    return Message(sequence=7, subject="events.1", published_at=NOW, read_at=0.0, rows=rows(1, *events))


def removed(directory: str, edge: datetime, times: int, events: Sequence[Event], other: Event) -> dict[str, Any]:
    """What a warehouse holds after its events before `edge` were removed, so many times.

    `other` is of another tenant, that has nothing old.
    """
    client = clickhouse_connect.get_client(dsn=f"chdb://{directory}", settings=EVERYWHERE, tz_mode="aware")
    schema.create(client)
    inserts.insert(client, Block.of([message(*events)]))
    inserts.insert(client, Block(8, 8, (replace(message(), rows=rows(2, other)),)))
    counts = [retention.remove(client, edge) for _ in range(times)]
    client.command("OPTIMIZE TABLE users FINAL")
    found = {
        "counts": counts,
        "events": client.query("SELECT user_id FROM events ORDER BY tenant_id, user_id").result_rows,
        "users": client.query("SELECT * FROM users FINAL ORDER BY tenant_id, user_id").result_rows,
        "props": client.query("SELECT user_id FROM user_props FINAL").result_rows,
        "stored": client.query("SELECT sum(events) FROM intake FINAL").result_rows[0][0],
    }
    client.close()
    return found


def test_old_events_go_and_what_is_said_of_users_follows_from_the_rest(
    tmp_path: Path, other_process: ProcessPoolExecutor
) -> None:
    other = Event(user_id="new", occurred_at=NEW)
    found = other_process.submit(removed, str(tmp_path / "warehouse"), EDGE, 2, EVENTS, other).result()
    assert found["counts"] == [3, 0]
    assert [user_id for (user_id,) in found["events"]] == ["both", "both", "edge", "new", "new"]
    assert found["users"] == [
        (1, "both", NEW, NEW),
        (1, "edge", EDGE, EDGE),
        (1, "new", NEW, NEW),
        (2, "new", NEW, NEW),
    ]
    assert found["props"] == [("both",)]
    # What was once stored stays in the accounts.
    assert found["stored"] == len(EVENTS) + 1


def test_rows_that_are_too_old_are_taken_out_of_a_message_and_counted() -> None:
    [kept] = expired.drop([message(*EVENTS)], EDGE)
    assert (kept.count, len(kept.expired)) == (4, 3)
    counted = accounts.not_stored(kept)
    assert {account.outcome for account in counted} == {accounts.SKIPPED}
    assert sum(counted.values()) == len(kept.expired)
    fresh = message(Event(occurred_at=EDGE))
    assert expired.drop([fresh], EDGE) == [fresh]
    assert expired.drop([message(*EVENTS)], None) == [message(*EVENTS)]


async def users(warehouse: Warehouse, tenant: int) -> Sequence[str]:
    answer = await warehouse.stub.SearchUsers(
        pb.SearchUsersRequest(limit=10), metadata=warehouse.metadata(tenant), timeout=5
    )
    return [user.user_id for user in answer.users]


async def test_late_events_are_not_loaded_and_the_log_forgets_as_it_is_set(processes: Processes, tenant: int) -> None:
    processes.start(NATS)
    log = await EventLog.connect(processes.settings)
    assert (await log.jetstream.stream_info(STREAM)).config.max_age == timedelta(days=7).total_seconds()
    processes.start(WAREHOUSE, SEGOPS_WAREHOUSE_RETENTION_DAYS=str(DAYS), SEGOPS_EVENTLOG_RETENTION_DAYS="3")
    warehouse = Warehouse(processes.settings, log)
    # It may be another day by now.
    edge = replace(EVENTS[-1], occurred_at=expired.oldest_kept(DAYS, datetime.now(UTC)) or NOW)
    last = await log.append(tenant, rows(tenant, *EVENTS[:-1], edge))
    await warehouse.loaded(last)
    assert await users(warehouse, tenant) == ["both", "edge", "new"]
    assert (await log.jetstream.stream_info(STREAM)).config.max_age == timedelta(days=3).total_seconds()
    assert (await log.jetstream.stream_info("EVENTS_REWRITTEN")).config.max_age == timedelta(days=3).total_seconds()
    await warehouse.close()
