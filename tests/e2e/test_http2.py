"""HTTP/2 through the edge: REST and gRPC are spoken on one port, without TLS by prior knowledge (RFC 9113, 3.3)."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.account import Account, register
from tests.e2e.test_error_shapes import error_of

STREAMS = 50
UPGRADE = {"upgrade": "h2c", "http2-settings": "AAMAAABkAAQAAP__", "connection": "upgrade, http2-settings"}
WEBSOCKET = {
    "upgrade": "websocket",
    "connection": "upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAA",
}


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """One tenant for all tests here."""
    with register(url) as account:
        yield account


@pytest.fixture(scope="module")
def http2(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, http1=False, http2=True, timeout=30, verify=False) as client:
        yield client


def test_a_rest_call_is_answered_as_by_http_1(http2: httpx.Client, owner: Account) -> None:
    for method, path, body in (
        ("POST", "/api/segments/", {"name": "Two"}),
        ("GET", "/api/segments/", None),
        ("GET", "/api/segments", None),
        ("POST", "/api/segments/preview/", {"definition": 5}),
        ("GET", "/api/segments/99999999/", None),
        ("PROPFIND", "/api/segments/", None),
        ("HEAD", "/healthz", None),
        ("GET", "/api/docs/", None),
    ):
        first, second = (
            client.request(method, path, json=body, headers=owner.server.headers) for client in (owner.server, http2)
        )
        assert (first.http_version, second.http_version) == ("HTTP/1.1", "HTTP/2")
        assert first.status_code == second.status_code
        assert set(first.headers) - {"transfer-encoding", "connection"} == set(second.headers)
        if method == "GET":
            assert first.content == second.content


def test_a_refusal_has_the_shape_of_every_other(http2: httpx.Client) -> None:
    error_of(http2.get("/api/segments/"), 401)
    error_of(http2.get("/api/nope/"), 404)
    error_of(http2.post("/api/segments/", headers={"content-encoding": "br"}), 415)


async def test_many_requests_share_a_connection(url: str, owner: Account) -> None:
    async with httpx.AsyncClient(base_url=url, http1=False, http2=True, timeout=30, verify=False) as client:
        asked = (
            client.get(f"/api/segments/membership/?user_id={number}", headers=owner.server.headers)
            for number in range(STREAMS)
        )
        answers = [answer.json() for answer in await asyncio.gather(*asked)]
    assert [answer["user_id"] for answer in answers] == [str(number) for number in range(STREAMS)]


def test_who_asks_to_go_on_in_http_2_is_answered_in_http_1(http: httpx.Client) -> None:
    answer = http.get("/healthz", headers=UPGRADE)
    assert (answer.http_version, answer.status_code, answer.json()) == ("HTTP/1.1", 200, {"status": "ok"})
    assert "upgrade" not in answer.headers


def test_no_other_protocol_is_switched_to(http: httpx.Client) -> None:
    assert error_of(http.get("/healthz", headers=WEBSOCKET), 403)["detail"] == "No other protocol is spoken here."
