"""A warehouse that was lost, or put back to an older state, is loaded again: every event is there once."""

import json
import random
import re
import shutil
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.caller import IDENTITY_HEADER, Caller, mint
from services.kit.eventlog import DEDUP_HEADER, SKIPPED_HEADER, STREAM, EventLog
from services.kit.keys import INTERNAL_KEY, private_key
from tests.integration.warehouse.processes import NATS, WAREHOUSE, Metadata, Processes, Warehouse
from tests.integration.warehouse.rows import Event, derived_id, payload, rows

TENANTS = (1, 2, 3)
# So that a replay of some thousand events is many blocks.
SMALL = {"SEGOPS_WAREHOUSE_BLOCK_ROWS": "300"}
State = dict[int, tuple[Counter[str], dict[str, str], Counter[str]]]


class Traffic:
    """Messages of several tenants: a third repeat message ids, and some count skipped events."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._random = random.Random(1)
        self._names: list[str] = []

    async def send(self, messages: int) -> None:
        """Sends messages and returns when they are loaded."""
        sequence = 0
        for _ in range(messages):
            tenant = self._random.choice(TENANTS)
            repeatable = self._random.random() < 1 / 3
            events = [self._event(tenant, repeatable=repeatable) for _ in range(40)]
            headers = {DEDUP_HEADER: "1"} if repeatable else {}
            if self._random.random() < 0.2:
                skipped = {"at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}", "types": {"page_viewed": 2}}
                headers[SKIPPED_HEADER] = json.dumps(skipped)
            sequence = await self._warehouse.log.append(tenant, rows(tenant, *events), headers or None)
        await self._warehouse.loaded(sequence)

    def _event(self, tenant: int, *, repeatable: bool) -> Event:
        event_id = uuid.uuid4()
        if repeatable:
            if not self._names or self._random.random() < 0.5:
                self._names.append(uuid.uuid4().hex)
            event_id = derived_id(tenant, self._random.choice(self._names))
        kind = self._random.choice(("page_viewed", "order_placed", "context_identified"))
        now = datetime.now(UTC)
        user_id = f"u{self._random.randrange(5)}"
        return Event(
            user_id=user_id,
            event_type=kind,
            event_id=event_id,
            occurred_at=now,
            received_at=now,
            payload=payload(id=str(event_id)),
        )


async def state(warehouse: Warehouse) -> State:
    """Of each tenant: how often each event is there, the users' properties, and the accounts by type and outcome."""
    found: State = {}
    for tenant in TENANTS:
        metadata = warehouse.metadata(tenant)
        ids: Counter[str] = Counter()
        properties: dict[str, str] = {}
        users = await warehouse.stub.SearchUsers(pb.SearchUsersRequest(limit=50), metadata=metadata)
        for user in users.users:
            request = pb.ListUserEventsRequest(user_ids=[user.user_id], limit=10_000)
            page = await warehouse.stub.ListUserEvents(request, metadata=metadata)
            ids.update(event.event_id for event in page.events)
            profile = await warehouse.stub.GetUser(pb.GetUserRequest(user_ids=[user.user_id]), metadata=metadata)
            assert profile.event_count == user.event_count == page.count
            properties[user.user_id] = profile.properties
        found[tenant] = (ids, properties, await accounts(warehouse, metadata))
    return found


async def accounts(warehouse: Warehouse, metadata: Metadata) -> Counter[str]:
    """How many events of each type had each outcome."""
    request: Any = pb.GetIntakeRequest()
    getattr(request, "from").FromDatetime(datetime.now(UTC) - timedelta(hours=3))
    request.to.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    counts: Counter[str] = Counter()
    for hour in (await warehouse.stub.GetIntake(request, metadata=metadata)).hours:
        for outcome in ("stored", "duplicate", "skipped"):
            counts[f"{hour.event_type} {outcome}"] += getattr(hour, outcome)
    return counts


def operator(warehouse: Warehouse) -> Metadata:
    """What segopsctl sends along."""
    caller = Caller(kind="service", service="segopsctl")
    return ((IDENTITY_HEADER, mint(caller, private_key(warehouse.settings, INTERNAL_KEY))),)


async def replay(warehouse: Warehouse, since: str = "", until: str = "") -> list[pb.ReplayProgress]:
    """Replays to the end."""
    request: Any = pb.ReplayRequest()
    for field, text in (("from", since), ("to", until)):
        if text:
            getattr(request, field).FromDatetime(datetime.fromisoformat(text))
    return [progress async for progress in warehouse.stub.Replay(request, metadata=operator(warehouse), timeout=60)]


async def refusal(warehouse: Warehouse, since: str = "", until: str = "") -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await replay(warehouse, since, until)
    return raised.value


@pytest.fixture
async def own(processes: Processes) -> AsyncIterator[Warehouse]:
    """A warehouse and log of the test's own."""
    processes.start(NATS)
    processes.start(WAREHOUSE, **SMALL)
    found = Warehouse(processes.settings, await EventLog.connect(processes.settings))
    yield found
    await found.close()


def lose(processes: Processes, *directories: str) -> None:
    """Ends the warehouse, and its directories are gone when it starts again."""
    processes.end(WAREHOUSE)
    for directory in directories:
        shutil.rmtree(processes.settings.home / directory)
    processes.start(WAREHOUSE, **SMALL)


def check_same(found: State, expected: State) -> None:
    for tenant, (ids, properties, counts) in expected.items():
        assert found[tenant][0] == ids
        assert found[tenant][1] == properties
        assert found[tenant][2] == counts


def check_once(found: State) -> None:
    for ids, _, counts in found.values():
        assert max(ids.values()) == 1
        assert sum(count for name, count in counts.items() if name.endswith(" stored")) == ids.total()


async def test_a_lost_warehouse_has_everything_again_and_a_range_that_is_there_is_refused(
    processes: Processes, own: Warehouse
) -> None:
    traffic = Traffic(own)
    await traffic.send(40)
    before = await state(own)
    lose(processes, "warehouse")
    await own.loaded(1)
    await traffic.send(1)
    assert "segopsctl events replay" in processes.said()
    progress = await replay(own)
    assert progress[-1].messages_read == progress[-1].messages > 20
    assert len(progress) > 3
    after = await state(own)
    check_once(after)
    for tenant in TENANTS:
        assert before[tenant][0].keys() <= after[tenant][0].keys()
    assert sum(state[0].total() for state in before.values()) <= sum(state[0].total() for state in after.values())
    error = await refusal(own)
    assert error.code() == grpc.StatusCode.ABORTED
    assert "holds events of this range" in (error.details() or "")
    check_same(await state(own), after)


async def kill_during_replay(processes: Processes, warehouse: Warehouse, after: int) -> None:
    """Kills the warehouse in a replay that has told of so many blocks."""
    told = 0
    with suppress(grpc.aio.AioRpcError):
        async for _ in warehouse.stub.Replay(pb.ReplayRequest(), metadata=operator(warehouse), timeout=60):
            told += 1
            if told == after:
                processes.end(WAREHOUSE)
    assert told >= after


async def test_a_replay_that_is_killed_goes_on_when_it_is_given_again(processes: Processes, own: Warehouse) -> None:
    await Traffic(own).send(40)
    before = await state(own)
    lose(processes, "warehouse")
    moments = random.Random(3)
    for _ in range(2):
        await own.loaded(1)
        await kill_during_replay(processes, own, after=moments.randrange(1, 4))
        processes.start(WAREHOUSE, **SMALL)
    await own.loaded(1)
    progress = await replay(own)
    assert progress[-1].sequence == progress[-1].last_sequence
    check_same(await state(own), before)


async def test_what_the_loader_took_while_ids_were_forgotten_is_not_stored_again(
    processes: Processes, own: Warehouse
) -> None:
    traffic = Traffic(own)
    await traffic.send(40)
    lose(processes, "warehouse", "warehouse-ids")
    await own.loaded(1)
    await traffic.send(20)
    await replay(own)
    after = await state(own)
    check_once(after)


async def test_a_warehouse_put_back_to_an_older_state_is_told_where_to_begin(
    processes: Processes, own: Warehouse
) -> None:
    home = processes.settings.home
    traffic = Traffic(own)
    await traffic.send(20)
    processes.end(WAREHOUSE)
    shutil.copytree(home / "warehouse", home / "backup", symlinks=True)
    processes.start(WAREHOUSE, **SMALL)
    await traffic.send(40)
    before = await state(own)
    processes.end(WAREHOUSE)
    shutil.rmtree(home / "warehouse")
    (home / "backup").rename(home / "warehouse")
    processes.start(WAREHOUSE, **SMALL)
    await own.loaded(1)
    error = await refusal(own)
    assert error.code() == grpc.StatusCode.ABORTED
    found = re.search(r"begins at (\S+):", error.details() or "")
    assert found
    await replay(own, since=found[1])
    check_same(await state(own), before)


async def test_a_block_of_which_the_log_has_lost_the_begin_is_not_loaded_again(own: Warehouse) -> None:
    await Traffic(own).send(30)
    before = await state(own)
    for _ in range(8):
        first = (await own.log.jetstream.stream_info(STREAM)).state.first_seq
        await own.log.jetstream.purge_stream(STREAM, seq=first + 1)
        assert (await refusal(own)).code() == grpc.StatusCode.ABORTED
    check_same(await state(own), before)


async def test_ranges_the_log_does_not_hold_and_other_callers_are_refused(processes: Processes, own: Warehouse) -> None:
    await Traffic(own).send(3)
    for since, until in (("2100-01-01T00:00:00Z", ""), ("", "2020-01-01T00:00:00Z")):
        assert (await refusal(own, since, until)).code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in own.stub.Replay(pb.ReplayRequest(), metadata=own.metadata(1)):
            pass
    assert raised.value.code() == grpc.StatusCode.PERMISSION_DENIED
