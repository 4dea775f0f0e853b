"""What pages of other origins may call and read: two routes' worth, without cookies (contract 2.2)."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from edge.public_services import public_services
from edge.routes import RouteTable
from tests.e2e.account import Account, register
from tests.e2e.grpc_web import BINARY, TEXT, call
from tests.e2e.test_sessions import EVENT, SHOP, ask, new_public_key, session

PAGE = {"origin": "https://any.example"}
PREFLIGHT = PAGE | {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}
ROUTES = RouteTable(public_services())
OTHERS = {path.replace("{}", "1") for _, path, _ in ROUTES.all()} | {
    "/",
    "/healthz",
    "/readyz",
    "/api/auth/session/x",
    "/api/docs",
    "/api/ingestion",
    "/api/ingestion/../segments",
    "/api/schema",
}
MAY_READ = {
    "idempotent-replayed",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
}


@pytest.fixture(scope="module")
def tenant(url: str) -> Iterator[Account]:
    """One tenant for all tests here."""
    with register(url) as account:
        yield account


@pytest.fixture(scope="module")
def key(tenant: Account) -> dict[str, Any]:
    """A public key that pages of any origin may use."""
    return new_public_key(tenant)


@pytest.fixture(scope="module")
def visitor(url: str, key: dict[str, Any]) -> Iterator[httpx.Client]:
    """A client in a session."""
    with session(url, key, user_id="visitor") as visitor:
        yield visitor


def is_for_pages(path: str) -> bool:
    return path == "/api/auth/session" or (path.startswith("/api/ingestion/") and ".." not in path)


def listed(answer: httpx.Response, header: str) -> set[str]:
    """A header that holds a list of names."""
    return {name.strip().lower() for name in answer.headers.get(header, "").split(",")} - {""}


def check_readable(answer: httpx.Response, origin: str = PAGE["origin"]) -> None:
    """That the page of an origin may read the answer, and no cache gives it to another."""
    assert answer.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert "origin" in listed(answer, "vary")
    assert listed(answer, "access-control-expose-headers") == MAY_READ


def rules(answer: httpx.Response) -> list[str]:
    """What an answer tells browsers about other origins."""
    return [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "path", ["/api/auth/session", "/api/ingestion/track", "/api/ingestion/track/batch", "/api/ingestion/errors"]
)
@pytest.mark.parametrize("end", ["", "/", "/?x=1"])
def test_a_preflight_is_answered_where_browsers_call(http: httpx.Client, path: str, end: str) -> None:
    answer = http.options(path + end, headers=PREFLIGHT)
    assert (answer.status_code, answer.content) == (200, b"")
    check_readable(answer)
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert listed(answer, "access-control-allow-headers") == {
        "authorization",
        "content-encoding",
        "content-type",
        "idempotency-key",
        "x-request-id",
    }
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["x-request-id"]


def test_a_preflight_opens_no_private_network(http: httpx.Client) -> None:
    headers = PREFLIGHT | {"access-control-request-private-network": "true"}
    answer = http.options("/api/ingestion/track/", headers=headers)
    assert "access-control-allow-private-network" not in answer.headers


@pytest.mark.parametrize("path", sorted(path for path in OTHERS if not is_for_pages(path)))
def test_no_other_route_answers_a_preflight_or_lets_a_page_read(tenant: Account, path: str) -> None:
    for target in (path, f"{path}/"):
        preflight = tenant.server.options(target, headers=PREFLIGHT)
        answer = tenant.server.get(target, headers=PAGE)
        assert rules(preflight) == rules(answer) == []
        assert preflight.status_code in (404, 405)


@pytest.mark.parametrize("rpc", sorted(ROUTES.rpcs()))
def test_grpc_web_is_for_pages_of_the_edges_own_origin(tenant: Account, rpc: str) -> None:
    assert rules(tenant.server.options(rpc, headers=PREFLIGHT)) == []
    # Neither kind of content may be sent across origins without that preflight.
    for kind in (BINARY[1], TEXT[0]):
        assert rules(call(tenant.server, rpc, b"", kind, **PAGE).http) == []


def test_a_page_may_read_answers_and_refusals_of_what_it_may_call(
    http: httpx.Client, url: str, tenant: Account, key: dict[str, Any], visitor: httpx.Client
) -> None:
    limited = new_public_key(tenant, allowed_origins=[SHOP])
    json = PAGE | {"content-type": "application/json"}
    answers = [
        (200, ask(url, key, {"user_id": "a"}, **PAGE)),
        (400, ask(url, key, {}, **PAGE)),
        (403, ask(url, limited, {"user_id": "a"}, **PAGE)),
        (401, http.post("/api/auth/session/", json={}, headers=PAGE)),
        (202, visitor.post("/api/ingestion/track/", json=EVENT, headers=PAGE)),
        (400, visitor.post("/api/ingestion/track", content="{", headers=json)),
        (401, http.post("/api/ingestion/track/batch/", json={}, headers=PAGE)),
        (403, visitor.get("/api/ingestion/errors/", headers=PAGE)),
        (404, visitor.post("/api/ingestion/nope/", headers=PAGE)),
        (405, visitor.get("/api/ingestion/track/", headers=PAGE)),
        (413, visitor.post("/api/ingestion/track/", content=bytes(17 * 2**20), headers=json)),
        (415, visitor.post("/api/ingestion/track/", content="x", headers=PAGE | {"content-type": "text/plain"})),
        (415, visitor.post("/api/ingestion/track/", content="x", headers=json | {"content-encoding": "br"})),
    ]
    assert [answer.status_code for _, answer in answers] == [status for status, _ in answers]
    for _, answer in answers:
        check_readable(answer)


def test_a_page_of_no_origin_may_call_as_any(url: str, key: dict[str, Any]) -> None:
    check_readable(ask(url, key, {"user_id": "a"}, origin="null"), "null")


def test_who_is_no_page_is_told_nothing_and_a_cache_of_both_all_the_same(url: str, key: dict[str, Any]) -> None:
    answer = ask(url, key, {"user_id": "a"})
    assert rules(answer) == []
    assert "origin" in listed(answer, "vary")


def test_a_page_may_read_that_it_called_too_often(url: str, owner: Account) -> None:
    with session(url, new_public_key(owner), user_id="a") as visitor:
        assert owner.person.put("/api/tenants/current/plan/", json={"plan": "free"}).status_code == 200

        calls = (visitor.post("/api/ingestion/track/", json=EVENT, headers=PAGE) for _ in range(1000))
        answer = next(answer for answer in calls if answer.status_code == 429)
    check_readable(answer)
    assert int(answer.headers["retry-after"]) > 0
