"""Two edges, each an Envoy and an authz of its own, count together on a Redis server, which dies under load."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event

import httpx
import pytest

from edge.shared_counts import ANSWER_SECONDS
from tests.e2e.account import Account, register
from tests.e2e.test_rate_limits import FREE_CALLS, await_minute, put_on_plan
from tests.e2e.test_strangers import serves
from tests.redis_server import RedisServer
from tests.running import Running, wait_for
from tests.scraping import scrape

# What a call takes beside the wait for the store, on a busy machine.
CALL_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Both, and the store they share; the first is part of a platform."""

    both: tuple[Running, Running]
    redis: RedisServer


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edges]:
    home = tmp_path_factory.mktemp("edges")
    redis = RedisServer()
    redis.start()
    variables = {"SEGOPS_RATELIMIT_URL": redis.url}
    first = Running(home / "first", "postgres", "migrate", "identity", "authz", "envoy", variables=variables)
    try:
        wait_for(partial(serves, url(first)), 90)
        shutil.copytree(first.settings.secrets_dir, home / "second" / "secrets")
        variables["SEGOPS_DATABASE_URL"] = first.settings.libpq_dsn
        variables["SEGOPS_IDENTITY_ADDRESS"] = first.settings.address("identity")
        second = Running(home / "second", "authz", "envoy", variables=variables)
        try:
            wait_for(partial(serves, url(second)), 90)
            yield Edges(both=(first, second), redis=redis)
        finally:
            second.stop()
    finally:
        first.stop()
        redis.kill()


def url(edge: Running) -> str:
    return f"http://127.0.0.1:{edge.settings.edge_port}"


@pytest.fixture
def owner(edges: Edges) -> Iterator[Account]:
    """Of a tenant on the free plan."""
    with register(url(edges.both[0])) as account:
        put_on_plan(edges.both[0], account, "free")
        yield account


@pytest.fixture
def busy(edges: Edges) -> Iterator[Account]:
    """Of a tenant that may make many calls, which are counted."""
    with register(url(edges.both[0])) as account:
        put_on_plan(edges.both[0], account, "enterprise", "--api-calls-per-minute", "1000000")
        yield account


def call(edges: Edges, owner: Account, number: int) -> httpx.Response:
    """The number-th call, to each edge in turn. A key may not ask this: no service is needed for the answer."""
    headers = {"authorization": f"ApiKey {owner.key}"}
    return httpx.get(f"{url(edges.both[number % 2])}/api/auth/me/", headers=headers, timeout=30, verify=False)


def passed(edges: Edges, owner: Account, calls: int) -> int:
    """How many of so many calls at once, half to each edge, are not refused for the limit."""
    with ThreadPoolExecutor(20) as pool:
        statuses = Counter(pool.map(lambda number: call(edges, owner, number).status_code, range(calls)))
    assert set(statuses) <= {403, 429}
    return statuses[403]


def test_of_two_hundred_calls_to_two_edges_as_many_pass_as_the_plan_allows(edges: Edges, owner: Account) -> None:
    assert exactly_as_many_pass_as_may(edges, owner)


def test_while_the_store_dies_hangs_and_comes_back_every_call_is_served_in_time(
    edges: Edges, owner: Account, busy: Account
) -> None:
    with calling(edges, busy) as calls:
        edges.redis.kill()
        await_store(edges, up=False)
        assert_goes_on(calls)
        edges.redis.start()
        await_store(edges, up=True)
        edges.redis.hang()
        await_store(edges, up=False)
        assert_goes_on(calls)
        edges.redis.wake()
        await_store(edges, up=True)
        assert_goes_on(calls)
    assert {status for status, _ in calls} == {403}
    assert max(seconds for _, seconds in calls) < ANSWER_SECONDS + CALL_SECONDS
    assert all(metric(edge, "segops_edge_ratelimit_alone_total") > 0 for edge in edges.both)
    for edge in edges.both:
        log = (edge.settings.home / "log" / "authz.log").read_text()
        assert log.count("the store of the rate limits is away") == log.count("calls are counted together again") == 2
    assert exactly_as_many_pass_as_may(edges, owner)


@pytest.mark.parametrize("plan", [["enterprise"], ["starter"]])
def test_each_edge_tells_how_many_calls_a_tenant_made_to_both(edges: Edges, owner: Account, plan: list[str]) -> None:
    put_on_plan(edges.both[0], owner, *plan)
    await_minute(10)
    before = made(edges.both[0], owner)
    for number in range(40):
        call(edges, owner, number)
    # What nothing limits reaches the other edges within a second. To ask is a call too.
    asked = iter(range(1, 1_000))
    for edge in (*edges.both, *edges.both):
        wait_for(lambda edge=edge: made(edge, owner) == before + 40 + next(asked), 2)  # type: ignore[misc]


def made(edge: Running, owner: Account) -> int:
    """How many calls the edge tells the service of, which is not here: it answers what it would answer to Envoy."""
    headers = {"authorization": f"ApiKey {owner.key}", "x-segops-target": "/api/analytics/usage"}
    with neighbour(edge) as authz:
        return int(authz.get("http://authz/api/analytics/usage", headers=headers).headers["x-segops-api-calls"])


def exactly_as_many_pass_as_may(edges: Edges, owner: Account) -> bool:
    for number in range(2):
        assert call(edges, owner, number).headers["x-ratelimit-limit"] == str(FREE_CALLS)
    await_minute(10)
    left = int(call(edges, owner, 0).headers["x-ratelimit-remaining"])
    return passed(edges, owner, 200) == left and call(edges, owner, 1).headers["x-ratelimit-remaining"] == "0"


@contextmanager
def calling(edges: Edges, account: Account) -> Iterator[list[tuple[int, float]]]:
    """Calls both edges all the time within the block; status and seconds of each call."""
    calls: list[tuple[int, float]] = []
    ended = Event()

    def go_on(number: int) -> None:
        while not ended.is_set():
            started = time.monotonic()
            status = call(edges, account, number).status_code
            calls.append((status, time.monotonic() - started))

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(go_on, number) for number in range(4)]
        try:
            wait_for(lambda: len(calls) > 20)
            yield calls
        finally:
            ended.set()
    for each in running:
        each.result()


def assert_goes_on(calls: list[tuple[int, float]]) -> None:
    before = len(calls)
    wait_for(lambda: len(calls) > before + 20)


def await_store(edges: Edges, *, up: bool) -> None:
    wait_for(lambda: all(metric(edge, "segops_edge_ratelimit_store_up") == up for edge in edges.both))


def metric(edge: Running, name: str) -> float:
    return scrape(edge.settings, "authz").value(name)


def neighbour(edge: Running) -> httpx.Client:
    """A client that reaches the authz process itself."""
    return httpx.Client(
        transport=httpx.HTTPTransport(uds=edge.settings.address("authz").removeprefix("unix:"), verify=False)
    )
