"""The warehouse on a ClickHouse server, and on the shards of a cluster: as with the embedded engine, over HTTP."""

import asyncio
import json
import signal
import socket
import traceback
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from cli.backup.warehouse import warehouse as operators_view
from services.gen.segops.warehouse.v1 import erasure_pb2, erasure_pb2_grpc, explain_pb2, explain_pb2_grpc
from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.channel import connect
from services.kit.errors import Conflict
from services.kit.eventlog import EventLog
from services.kit.settings import Settings
from services.warehouse.servers import server_client
from tests.integration.warehouse.ledger import append, line, members, position
from tests.integration.warehouse.processes import NATS, WAREHOUSE, Processes, Warehouse
from tests.integration.warehouse.rows import Event, rows
from tests.integration.warehouse.test_exactly_once import TENANT, Traffic, accounted, last_stored, stored
from tests.running import wait_for
from tests.standins.clickhouse.running import PASSWORD, ClickHouse

# The type of a record that begins a handshake (RFC 8446, section 5.1).
TLS_HANDSHAKE = b"\x16"
USERS = [f"user {number}" for number in range(40)]
BOUGHT = {
    "logic": "AND",
    "conditions": [{"type": "event_count", "event_type": "bought", "operator": "gte", "value": 1}],
}


@pytest.fixture(params=["", "segops"], ids=["server", "cluster"])
def clickhouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ClickHouse]:
    """A server, or two shards."""
    server = ClickHouse(tmp_path / "clickhouse", cluster=request.param)
    yield server
    server.end()


def variables(clickhouse: ClickHouse) -> dict[str, str]:
    return {"SEGOPS_WAREHOUSE_URL": clickhouse.url, "SEGOPS_WAREHOUSE_CLUSTER": clickhouse.cluster}


@pytest.fixture
async def warehouse(processes: Processes, clickhouse: ClickHouse) -> AsyncIterator[Warehouse]:
    """A warehouse process on it."""
    processes.start(NATS)
    processes.start(WAREHOUSE, **variables(clickhouse))
    own = Warehouse(processes.settings, await EventLog.connect(processes.settings))
    yield own
    await own.close()


def events(*users: str) -> bytes:
    each = (Event(user_id=user, event_type="bought", payload='{"n":1}') for user in users)
    return rows(TENANT, *each)


def evaluation(definition: object = BOUGHT) -> pb.Evaluation:
    return pb.Evaluation(definition=json.dumps(definition))


async def matches(warehouse: Warehouse) -> list[str]:
    request = pb.StreamMatchesRequest(evaluation=evaluation())
    chunks = warehouse.stub.StreamMatches(request, metadata=warehouse.metadata(TENANT))
    return b"".join([chunk.copy_text async for chunk in chunks]).decode().splitlines()


@pytest.mark.timeout(120)
async def test_what_is_loaded_is_evaluated_explained_and_erased(warehouse: Warehouse, clickhouse: ClickHouse) -> None:
    await warehouse.loaded(await warehouse.log.append(TENANT, events(*USERS)))
    metadata = warehouse.metadata(TENANT)
    assert await matches(warehouse) == sorted(USERS)
    preview = pb.PreviewDefinitionRequest(evaluation=evaluation(), sample_limit=3)
    assert (await warehouse.stub.PreviewDefinition(preview, metadata=metadata)).matched_users == len(USERS)
    estimate = pb.EstimateDefinitionRequest(evaluation=evaluation())
    assert (await warehouse.stub.EstimateDefinition(estimate, metadata=metadata)).total_users == len(USERS)
    found = await warehouse.stub.SearchUsers(pb.SearchUsersRequest(query="user 1", limit=5), metadata=metadata)
    assert (found.count, found.users[0].user_id) == (11, "user 1")
    channel = connect(warehouse.settings, "warehouse")
    explaining = explain_pb2.ExplainConditionsRequest(evaluation=evaluation(), user_ids=USERS[:1])
    explained = await explain_pb2_grpc.ExplainServiceStub(channel).ExplainConditions(explaining, metadata=metadata)
    assert [one.matches for one in explained.conditions] == [True]
    erasing = erasure_pb2.EraseRowsRequest(user_ids=USERS[:2])
    erased = await erasure_pb2_grpc.ErasureServiceStub(channel).EraseRows(erasing, metadata=metadata, timeout=60)
    assert {one.store: one.erased for one in erased.stores}["events"] == 2
    assert await matches(warehouse) == sorted(USERS[2:])
    await channel.close()


@pytest.mark.timeout(120)
async def test_a_mirror_whose_chunk_came_in_part_is_caught_up(warehouse: Warehouse, clickhouse: ClickHouse) -> None:
    await warehouse.loaded(await warehouse.log.append(TENANT, events(*USERS)))
    chunk = b"".join(line(1, user) for user in sorted(USERS))
    if clickhouse.cluster:
        clickhouse.mischief(unreachable="2")
        with pytest.raises(grpc.aio.AioRpcError):
            await append(warehouse, TENANT, 5, chunk)
        assert await position(warehouse, TENANT, 5) == (0, "")
    await append(warehouse, TENANT, 5, chunk)
    assert await position(warehouse, TENANT, 5) == (1, max(USERS))
    assert await members(warehouse, TENANT, 5, 1) == sorted(USERS)


@pytest.mark.timeout(120)
async def test_an_answer_that_breaks_off_is_no_answer(warehouse: Warehouse, clickhouse: ClickHouse) -> None:
    await warehouse.loaded(await warehouse.log.append(TENANT, events(*USERS)))
    clickhouse.mischief(**{"break": "1"})
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await matches(warehouse)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await matches(warehouse) == sorted(USERS)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("clickhouse", ["segops"], indirect=True, ids=["cluster"])
async def test_each_event_is_stored_once_whoever_dies_or_hangs(
    processes: Processes, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    processes.start(NATS)
    await asyncio.to_thread(wait_for, lambda: _listens(processes.settings))
    first, second = Peer(processes, clickhouse, tmp_path / "one"), Peer(processes, clickhouse, tmp_path / "two")
    try:
        warehouse = Warehouse(second.settings, await EventLog.connect(processes.settings))
        sender = Traffic(await EventLog.connect(processes.settings), seed=3)
        sending = asyncio.create_task(sender.run())
        await _some_more(warehouse, sender)
        clickhouse.mischief(lose="events")
        await _some_more(warehouse, sender)
        clickhouse.mischief(unreachable="2")
        await _some_more(warehouse, sender)
        # Paused in the midst of loading, then awake again when the other one has its turn.
        first.send(signal.SIGSTOP)
        await _some_more(warehouse, sender)
        first.send(signal.SIGCONT)
        await _some_more(warehouse, sender)
        second.send(signal.SIGKILL)
        await warehouse.close()
        warehouse = Warehouse(first.settings, await EventLog.connect(processes.settings))
        await _some_more(warehouse, sender)
        clickhouse.end()
        clickhouse.start()
        await _some_more(warehouse, sender)
        sender.stopped.set()
        await sending
        # Also what was stored without an answer, which a busy machine may bring about.
        await warehouse.loaded(await last_stored(warehouse.log))
        once, repeated, skipped = await accounted(warehouse)
        ids = await stored(warehouse)
        assert set(ids.values()) == {1}
        assert sender.accepted <= set(ids) <= sender.accepted | sender.unanswered
        assert once == ids.total()
        assert sender.sent <= once + repeated <= sender.sent + sender.doubtful
        assert skipped == 0
    finally:
        first.send(signal.SIGKILL)
        second.send(signal.SIGKILL)


@pytest.mark.parametrize("clickhouse", [""], indirect=True, ids=["server"])
@pytest.mark.parametrize(
    "url", ["clickhouse://segops:{}@127.0.0.1:{}/segops", "https://segops:{}@nowhere.invalid:{}/x"]
)
def test_the_password_is_in_no_error_and_no_log(
    url: str, clickhouse: ClickHouse, processes: Processes, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "wr0ng-s3cret"
    dsn = url.format(secret, clickhouse.port)
    with pytest.raises(ClickHouseError) as refused:
        server_client(dsn, {})
    processes.start(NATS)
    processes.start(WAREHOUSE, SEGOPS_WAREHOUSE_URL=dsn, SEGOPS_LOG_LEVEL="DEBUG")
    wait_for(lambda: "loading failed" in processes.said())
    told = "".join(traceback.format_exception(refused.value)) + caplog.text + processes.said()
    assert secret not in told
    assert PASSWORD not in told


def test_https_means_tls_at_any_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor() as pool:
        first = pool.submit(_first_byte, listening)
        with pytest.raises(ClickHouseError):
            server_client(f"https://segops:secret@127.0.0.1:{listening.getsockname()[1]}/segops", {})
        assert first.result() == TLS_HANDSHAKE


@pytest.mark.timeout(120)
async def test_a_server_is_backed_up_and_a_cluster_has_backups_of_its_own(
    warehouse: Warehouse, clickhouse: ClickHouse
) -> None:
    await warehouse.loaded(await warehouse.log.append(TENANT, events(*USERS)))
    with operators_view(warehouse.settings) as operator:
        if clickhouse.cluster:
            with pytest.raises(Conflict, match="backed up by ClickHouse itself"):
                await asyncio.to_thread(list, operator.backup())
        else:
            pieces = await asyncio.to_thread(list, operator.backup())
            assert sum(piece.lines.count(b"\n") for piece in pieces if piece.part == "events") == len(USERS)


class Peer:
    """One of several warehouse processes, with a directory of its own."""

    def __init__(self, processes: Processes, clickhouse: ClickHouse, home: Path) -> None:
        shared = processes.settings
        self.settings = Settings(
            data_dir=home, secrets_dir=shared.secrets_dir, nats_url=shared.nats_dsn, edge_port=shared.edge_port
        )
        self.settings.run_dir.mkdir(parents=True, exist_ok=True)
        own = {"SEGOPS_DATA_DIR": str(home), "SEGOPS_NATS_URL": shared.nats_dsn}
        secrets = {"SEGOPS_SECRETS_DIR": str(shared.secrets_dir)}
        self._name = home.name
        self._process = processes.start_as(home.name, WAREHOUSE, **own, **secrets, **variables(clickhouse))

    def send(self, signum: signal.Signals) -> None:
        """Sends a signal to it, if it still runs."""
        if self._process.poll() is None:
            self._process.send_signal(signum)


async def _some_more(warehouse: Warehouse, sender: Traffic) -> None:
    """Returns when what is accepted only now is loaded."""
    before = sender.last_sequence
    async with asyncio.timeout(30):
        while sender.last_sequence == before:
            await asyncio.sleep(0.02)
    await warehouse.loaded(sender.last_sequence)


def _first_byte(listening: socket.socket) -> bytes:
    """Of who connects; each is hung up on."""
    listening.settimeout(10)
    seen = b""
    with suppress(TimeoutError):
        while not seen:
            connection, _ = listening.accept()
            with connection:
                seen = connection.recv(1)
    return seen


def _listens(settings: Settings) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", settings.nats_port)) == 0
