"""A request's id: the client's own or a new one, on every answer, and in the log of every process that served it."""

import secrets
import socket
import time
from collections.abc import Iterator

import grpc
import httpx
import pytest

from tests.e2e.account import Account, register
from tests.e2e.grpc_web import BINARY, TEXT, call
from tests.e2e.tenancy.samples import NOWHERE
from tests.e2e.test_cors import PREFLIGHT
from tests.e2e.test_exports import NOBODY, computed, exported
from tests.e2e.test_grpc import LIST
from tests.e2e.test_grpc import ask as grpc_answer
from tests.running import Running, wait_for

# All that are told of a request. authz is silent unless it fails, and asks identity under the request's id.
PROCESSES = {"envoy", "identity", "ingestion", "segments", "warehouse", "connectors", "profiles"}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """One tenant for all tests here."""
    with register(url) as account:
        yield account


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/healthz", {}, b"", 200),
        ("HEAD", "/healthz", {}, b"", 200),
        ("POST", "/healthz", {}, b"", 405),
        ("GET", "/readyz", {}, b"", 200),
        ("GET", "/", {}, b"", 404),
        ("GET", "/api/nope/", {}, b"", 404),
        ("GET", "/api/segments/", {}, b"", 200),
        ("GET", "/api/segments/", {"authorization": "Bearer x"}, b"", 401),
        ("GET", "/api/team/members/", {}, b"", 403),
        ("PUT", "/api/segments/", {}, b"", 405),
        ("POST", "/api/segments/", JSON, b"{", 400),
        ("POST", "/api/segments/", JSON, b"{}", 400),
        ("POST", "/api/segments/", JSON, b" " * 17 * 2**20, 413),
        ("POST", "/api/segments/", {"content-type": "text/plain"}, b"x", 415),
        ("POST", "/api/segments/", {"content-encoding": "br"}, b"x", 415),
        ("GET", "/api/segments/?limit=x", {}, b"", 400),
        ("GET", "/api/segments/2147483647/", {}, b"", 404),
        ("OPTIONS", "/api/ingestion/track/", PREFLIGHT, b"", 200),
        ("GET", "/healthz", {"upgrade": "websocket", "connection": "upgrade"}, b"", 403),
        ("GET", "/.well-known/jwks.json", {}, b"", 200),
        ("GET", "/api/schema/", {}, b"", 200),
        ("GET", "/api/docs/", {}, b"", 200),
        ("GET", "/api/docs/nope.js", {}, b"", 404),
    ],
)
def test_every_answer_has_the_id_of_its_request(
    owner: Account, method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    mine = f"order-{secrets.token_hex(8)}"
    sent = owner.server.request(method, path, content=body, headers={**headers, "x-request-id": mine})
    made = [owner.server.request(method, path, content=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in (sent, *made)] == [status] * 3
    assert sent.headers.get_list("x-request-id") == [mine]
    first, second = (answer.headers["x-request-id"] for answer in made)
    assert len(first) == len(second) == 36
    assert first != second


def test_a_file_that_a_browser_has_and_a_download_have_one_too(owner: Account) -> None:
    page = owner.server.get("/api/docs/")
    again = owner.server.get("/api/docs/", headers={"if-none-match": page.headers["etag"], "x-request-id": "again"})
    assert (again.status_code, again.headers["x-request-id"]) == (304, "again")
    path = str(exported(owner, computed(owner))["download_url"])
    assert owner.server.get(path, headers={"x-request-id": "file"}).headers["x-request-id"] == "file"
    made = owner.server.post("/api/segments/", json={"name": "Short"}).json()["id"]
    deleted = owner.server.delete(f"/api/segments/{made}/", headers={"x-request-id": "gone"})
    assert (deleted.status_code, deleted.headers["x-request-id"]) == (204, "gone")


def test_grpc_clients_get_it_in_the_metadata(platform: Running, owner: Account) -> None:
    shown = {"authorization": f"ApiKey {owner.key}", "x_request_id": "order-78"}
    with grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}") as channel:
        for rpc, message, status in (
            (LIST, b"", grpc.StatusCode.OK),
            (LIST, b"\xff", grpc.StatusCode.INVALID_ARGUMENT),
            (f"{LIST}s", b"", grpc.StatusCode.UNIMPLEMENTED),
            (LIST, bytes(17 * 2**20), grpc.StatusCode.OUT_OF_RANGE),
        ):
            answer = grpc_answer(channel, rpc, message, **shown)
            assert (answer.status, answer.metadata["x-request-id"]) == (status, "order-78")
            for kind in (BINARY[0], TEXT[0]):
                answered = call(owner.server, rpc, message, kind, **{"x-request-id": "order-79"})
                assert (answered.status, answered.http.headers["x-request-id"]) == (status, "order-79")


@pytest.mark.parametrize("id_", ["", "x" * 129, "<script>", "a b", "a,b", "a;b", 'a"b', "Größe"])
def test_an_id_that_is_none_is_replaced(http: httpx.Client, id_: str) -> None:
    found = [http.get("/api/nope/", headers={b"x-request-id": id_.encode()}) for _ in range(2)]
    first, second = (answer.headers["x-request-id"] for answer in found)
    assert first != second
    for got in (first, second):
        assert got.removeprefix("invalid-").replace("-", "").isalnum()


def test_two_ids_are_none(http: httpx.Client) -> None:
    answer = http.get("/healthz", headers=[("x-request-id", "one"), ("x-request-id", "two")])
    assert answer.headers["x-request-id"].startswith("invalid-")


def test_what_cannot_be_read_as_a_request_has_one_by_which_the_log_names_it(platform: Running) -> None:
    with socket.create_connection(("127.0.0.1", platform.settings.edge_port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n")
        head = connection.makefile("rb").read().decode().lower()
    [id_] = [line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("x-request-id: ")]
    assert id_.startswith("unread-")
    wait_for(lambda: "envoy" in logged(platform, id_))


def test_one_id_is_in_the_log_of_every_process_that_served_it(platform: Running, owner: Account) -> None:
    id_ = f"order-{time.time_ns()}"
    headers = {"x-request-id": id_}
    segment = owner.server.post("/api/segments/", json={"name": "Followed", "definition": NOBODY}).json()["id"]
    connector = {"segment": segment, "connector_type": "webhook", "config": {"url": NOWHERE}}
    assert owner.server.post("/api/activations/", json=connector).status_code == 201
    for answer, status in (
        # Envoy, authz, identity.
        (owner.server.get("/api/segments/", headers={**headers, "authorization": "ApiKey sk_live_nothing"}), 401),
        # Envoy, authz, profiles, warehouse.
        (owner.server.get("/api/explorer/users/nobody/", headers=headers), 404),
        # Envoy, authz, ingestion.
        (owner.server.post("/api/ingestion/track/", json={}, headers=headers), 400),
        # Envoy, authz, segments; its worker, as long as it takes; then the worker of connectors.
        (owner.server.post(f"/api/segments/{segment}/compute/", headers=headers), 202),
    ):
        assert (answer.status_code, answer.headers["x-request-id"]) == (status, id_)
    wait_for(lambda: logged(platform, id_) == PROCESSES)


def logged(platform: Running, id_: str) -> set[str]:
    """The processes whose logs have lines about a request."""
    logs = (platform.settings.home / "log").glob("*.log")
    return {path.stem for path in logs if f'"request_id":"{id_}"' in path.read_text(errors="replace")}
