"""What a client meets while a part is away: 503 in the contract's shape, and then it works again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

from tests.e2e.account import Account
from tests.e2e.grpc_web import BINARY, TEXT, call
from tests.e2e.test_grpc import LIST
from tests.e2e.test_grpc import ask as grpc_answer
from tests.running import Running, wait_for

REQUESTS_PER_SECOND = 20


@pytest.fixture(scope="module")
def lonely_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An Envoy with nothing behind it, and a low limit per address."""
    home: Path = tmp_path_factory.mktemp("edge") / "data"
    running = Running(home, "envoy", address_limit=REQUESTS_PER_SECOND)
    with httpx.Client(base_url=f"http://127.0.0.1:{running.settings.edge_port}", verify=False) as client:
        try:
            wait_for(lambda: answers(client))
            yield client
        finally:
            running.stop()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_without_the_authz_process_nothing_gets_through(lonely_edge: httpx.Client) -> None:
    for path in ("/api/segments/", "/readyz", "/api/nope/"):
        answer = wait_for(partial(unlimited, lonely_edge, path))
        assert answer.status_code == 503
        assert answer.headers["retry-after"].isdigit()
        assert list(answer.json()) == ["detail"]


def unlimited(client: httpx.Client, path: str) -> httpx.Response | None:
    answer = client.get(path)
    return None if answer.status_code == 429 else answer


def test_an_address_that_asks_too_often_is_429(lonely_edge: httpx.Client) -> None:
    found = [lonely_edge.get("/healthz") for _ in range(3 * REQUESTS_PER_SECOND)]
    limited = [answer for answer in found if answer.status_code == 429]
    assert limited
    assert {answer.status_code for answer in found} == {200, 429}
    for answer in limited:
        assert answer.headers["retry-after"] == "1"
        assert answer.json() == {"detail": "Too many requests from this address."}
    assert wait_for(lambda: answers(lonely_edge))


@pytest.mark.parametrize("kind", [BINARY[0], TEXT[0]])
def test_grpc_clients_are_told_the_same_in_their_own_way(lonely_edge: httpx.Client, kind: str) -> None:
    told: dict[grpc.StatusCode, set[tuple[str, str]]] = {}
    with grpc.insecure_channel(lonely_edge.base_url.netloc.decode()) as channel:

        def both() -> bool:
            called = grpc_answer(channel, LIST)
            told.setdefault(called.status, set()).add((called.text, called.metadata["retry-after"]))
            web = call(lonely_edge, LIST, b"", kind)
            told.setdefault(web.status, set()).add((web.trailers["grpc-message"], web.trailers["retry-after"]))
            return len(told) == 2

        wait_for(both)
    assert told == {
        grpc.StatusCode.UNAVAILABLE: {
            ("The service is temporarily unavailable. Nothing was accepted; a retry is safe.", "1")
        },
        grpc.StatusCode.RESOURCE_EXHAUSTED: {("Too many requests from this address.", "1")},
    }


@pytest.mark.parametrize("name", ["identity", "ingestion", "segments", "profiles", "warehouse"])
def test_a_service_that_is_killed_is_back_and_nobody_sees_more_than_503(
    platform: Running, owner: Account, name: str
) -> None:
    ask: dict[str, Callable[[], httpx.Response]] = {
        "identity": lambda: owner.person.get("/api/auth/me/"),
        "ingestion": lambda: owner.server.post("/api/ingestion/track/", json={"user_id": "a", "event_type": "b"}),
        "segments": lambda: owner.server.get("/api/segments/"),
        "profiles": lambda: owner.server.get("/api/explorer/users/"),
        "warehouse": lambda: owner.server.get("/api/explorer/users/"),
    }
    assert ask[name]().status_code in (200, 202)
    process = find(platform, f"services.{name}")
    process.kill()
    seen = set()

    def works() -> bool:
        answer = ask[name]()
        seen.add(answer.status_code)
        if answer.status_code == 503:
            assert answer.headers["retry-after"].isdigit()
            assert list(answer.json()) == ["detail"]
        return answer.status_code in (200, 202) and find(platform, f"services.{name}") != process

    wait_for(works, 60)
    # A request that met the dying process may have been accepted.
    assert seen <= ({202, 503, 504} if name == "ingestion" else {200, 503})
    wait_for(lambda: owner.server.get("/readyz").status_code == 200, 60)


def test_what_a_service_that_dies_may_have_done_is_not_called_refused(platform: Running, owner: Account) -> None:
    asked: dict[str, Callable[[], httpx.Response]] = {
        "POST": lambda: owner.server.post("/api/ingestion/track/", json={"user_id": "a", "event_type": "b"}),
        "GET": lambda: owner.server.get("/api/ingestion/errors/"),
    }
    process = find(platform, "services.ingestion")
    process.suspend()
    with ThreadPoolExecutor() as threads:
        answers = {method: threads.submit(ask) for method, ask in asked.items()}
        wait_for(lambda: requests_under_way(platform, "ingestion") == len(asked))
        process.kill()
        assert {method: answer.result().status_code for method, answer in answers.items()} == {"POST": 504, "GET": 503}
    assert "not known whether" in answers["POST"].result().json()["detail"]
    wait_for(lambda: asked["POST"]().status_code == 202, 60)


def requests_under_way(platform: Running, cluster: str) -> int:
    """Requests that the edge has sent to a service and waits for."""
    transport = httpx.HTTPTransport(uds=str(platform.settings.run_dir / "envoy-admin.sock"), verify=False)
    with httpx.Client(transport=transport, base_url="http://envoy") as client:
        lines = client.get("/stats", params={"filter": f"^cluster.{cluster}.upstream_rq_active$"}).text
    return int(lines.split(":")[1])


def find(platform: Running, module: str) -> psutil.Process:
    """The process of a service, once it is there."""

    def look() -> psutil.Process | None:
        for process in platform.family():
            try:
                if module in process.cmdline():
                    return process
            except psutil.Error:
                continue
        return None

    return wait_for(look)
