"""A whole platform behind Envoy whose processes may be killed, and what its warehouse holds in the end."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import psutil

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.eventlog import STREAM, EventLog
from services.kit.health import health_of
from services.kit.settings import Settings
from tests.chaos.load import USERS
from tests.e2e.account import Account, register
from tests.integration.warehouse.processes import Warehouse
from tests.running import Running, wait_for

# What takes events in, and what that needs.
PROGRAMS = ("postgres", "nats", "migrate", "identity", "ingestion", "warehouse", "authz", "envoy")
START_SECONDS = 90.0
LOADED_SECONDS = 60.0
PAGE = 10_000

# What the command line of each process holds.
MARKS = {
    "ingestion": "services.ingestion",
    "warehouse": "services.warehouse",
    "identity": "services.identity",
    "authz": "edge",
}
NAMES = {"nats": "nats-server", "envoy": "envoy", "postgres": "postgres"}


@contextmanager
def running_platform(home: Path, *, wrapper: tuple[str, ...] = (), without: str = "") -> Iterator[Running]:
    """The platform on a directory, perhaps without one program; it ends with the block."""
    running = Running(home, *(name for name in PROGRAMS if name != without), wrapper=wrapper)
    try:
        yield running
    finally:
        running.stop()


def url(running: Running) -> str:
    """Where its edge listens."""
    return f"http://127.0.0.1:{running.settings.edge_port}"


@contextmanager
def sending_account(running: Running) -> Iterator[Account]:
    """An account whose events are taken."""
    for service in ("identity", "ingestion", "warehouse"):
        wait_for(partial(health_of, running.settings.address(service)), START_SECONDS)
    wait_for(lambda: answers(running), START_SECONDS)
    with register(url(running)) as account:
        wait_for(lambda: takes_events(account), START_SECONDS)
        yield account


def answers(running: Running) -> bool:
    """Whether its edge knows that a stranger is one."""
    try:
        return httpx.get(f"{url(running)}/api/auth/me/", verify=False).status_code == 401
    except httpx.TransportError:
        return False


def takes_events(account: Account) -> bool:
    """Whether an event was accepted just now. It is of a user of its own."""
    try:
        answer = account.server.post("/api/ingestion/track/", json={"user_id": "probe", "event_type": "probe"})
    except httpx.TransportError:
        return False
    return answer.status_code == 202


def process(running: Running, name: str) -> psutil.Process:
    """The process of a program, once it is there."""

    def look() -> psutil.Process | None:
        if name in NAMES:
            return running.find(NAMES[name])
        for one in running.family():
            try:
                if MARKS[name] in one.cmdline()[2:]:
                    return one
            except psutil.Error:
                continue
        return None

    return wait_for(look)


async def stored(settings: Settings, account: Account) -> Counter[int]:
    """How often each numbered event is in the warehouse, once it has loaded all that the log holds."""
    log = await EventLog.connect(settings)
    warehouse = Warehouse(settings, log)
    await warehouse.loaded((await log.jetstream.stream_info(STREAM)).state.last_seq, LOADED_SECONDS)
    metadata = warehouse.metadata(account.tenant_id)
    found: Counter[int] = Counter()
    ids: Counter[str] = Counter()
    for user in range(USERS):
        offset, count = 0, 1
        while offset < count:
            request = pb.ListUserEventsRequest(user_ids=[f"u{user}"], limit=PAGE, offset=offset)
            page = await warehouse.stub.ListUserEvents(request, metadata=metadata, timeout=LOADED_SECONDS)
            found.update(json.loads(event.payload)["number"] for event in page.events)
            ids.update(event.event_id for event in page.events)
            offset, count = offset + PAGE, page.count
    await warehouse.close()
    assert not ids or max(ids.values()) == 1
    return found
