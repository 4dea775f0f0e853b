"""Envoy's access log: a JSON object a line, whatever was asked, without anything that is secret."""

import json
import secrets
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.account import Account, register
from tests.e2e.attacks.plain import throw
from tests.running import Running, wait_for


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """One tenant for all tests here."""
    with register(url) as account:
        yield account


def lines(platform: Running) -> list[str]:
    return (platform.settings.home / "log" / "envoy.log").read_text(errors="replace").splitlines()


def logged(platform: Running, mark: str) -> list[dict[str, Any]]:
    """What the log tells of requests with a mark, as soon as it does."""
    return wait_for(lambda: [json.loads(line) for line in lines(platform) if line.startswith("{") and mark in line])


def test_a_line_says_what_was_asked_of_whom_and_what_came_of_it(platform: Running, owner: Account) -> None:
    id_ = f"order-{secrets.token_hex(8)}"
    owner.server.get("/api/segments/2147483647/", headers={"x-request-id": id_})
    [line] = logged(platform, id_)
    wanted = {
        "process": "envoy",
        "request_id": id_,
        "method": "GET",
        "path": "/api/segments/2147483647",
        "status": 404,
        "upstream": "segments",
        "flags": "-",
        "address": "127.0.0.1",
    }
    assert line.items() >= wanted.items()
    assert line.keys() >= {"time", "details", "duration_ms", "bytes_in", "bytes_out", "grpc_status"}


def test_nobody_writes_a_line_of_their_own(platform: Running) -> None:
    mark = secrets.token_hex(8)
    forged = f'{mark}","status":200}}'
    port = platform.settings.edge_port
    requests = (
        f'GET /{forged}\\n{{"time":1}} HTTP/1.1\r\nhost: edge\r\n',
        f"GET /{mark}%0A%7B%22status%22:200%7D HTTP/1.1\r\nhost: edge\r\n",
        f"GET /{mark} HTTP/1.1\r\nhost: edge\r\nx-request-id: {forged}\r\n",
    )
    for request in requests:
        assert throw(port, f"{request}connection: close\r\n\r\n".encode())[0].status == 404
    wait_for(lambda: len(logged(platform, mark)) == len(requests))
    assert {line["status"] for line in logged(platform, mark)} == {404}


def test_a_line_has_an_end(platform: Running) -> None:
    mark = secrets.token_hex(8)
    target = f"/{mark}{'a' * 50_000}"
    throw(platform.settings.edge_port, f"GET {target} HTTP/1.1\r\nhost: e\r\nconnection: close\r\n\r\n".encode())
    [line] = logged(platform, mark)
    assert len(json.dumps(line)) < 3000


def test_what_is_secret_is_not_in_it(platform: Running, owner: Account) -> None:
    id_, secret = f"order-{secrets.token_hex(8)}", secrets.token_hex(16)
    headers = {
        "x-request-id": id_,
        "authorization": f"ApiKey sk_live_{secret}",
        "cookie": secret,
        "idempotency-key": secret,
        "x-shopify-hmac-sha256": secret,
        "user-agent": secret,
        "referer": f"https://shop.example/?token={secret}",
    }
    answer = owner.server.post(f"/api/auth/token/?token={secret}", json={"password": secret}, headers=headers)
    assert answer.status_code == 400
    owner.server.get(f"/api/segments/?key={secret}", headers=headers)
    assert len(wait_for(lambda: found if len(found := logged(platform, id_)) == 2 else None)) == 2
    assert not [line for line in lines(platform) if secret in line]


def test_what_breaks_off_says_why(platform: Running) -> None:
    mark = secrets.token_hex(8)
    with socket.create_connection(("127.0.0.1", platform.settings.edge_port), 10) as connection:
        connection.sendall(f"POST /api/auth/token/?{mark} HTTP/1.1\r\nhost: e\r\nx-request-id: {mark}\r\n".encode())
        connection.sendall(b"content-length: 100\r\ncontent-type: application/json\r\n\r\n{")
    [line] = logged(platform, mark)
    assert line["flags"] == "DC"
