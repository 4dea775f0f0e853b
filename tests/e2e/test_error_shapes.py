"""Every error a client can meet has its status and a JSON body of one of two shapes (contract, section 1)."""

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.account import Account, register
from tests.running import Running

JSON = {"content-type": "application/json"}
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """One tenant for all tests here: none of them stores anything."""
    with register(url) as account:
        yield account


def error_of(answer: httpx.Response, status: int) -> dict[str, object]:
    """The body of an error answer, after checking status and shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    body: dict[str, object] = answer.json()
    if list(body) == ["detail"]:
        assert isinstance(body["detail"], str)
        assert body["detail"]
    else:
        assert body
        assert all(
            isinstance(texts, list) and texts and all(isinstance(t, str) for t in texts) for texts in body.values()
        )
    for internal in ("grpc", "Traceback", "<html", '"code"'):
        assert internal not in answer.text
    return body


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/", "/api/nope/", "/api/segments/1/nope/", "/index.html", "//api/segments/"]
)
def test_an_unknown_route_is_404(owner: Account, http: httpx.Client, path: str) -> None:
    for client in (owner.server, http):
        error_of(client.get(httpx.URL(path)), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/segments/", "GET, POST"),
        ("POST", "/api/segments/1/", "DELETE, GET, PATCH, PUT"),
        ("GET", "/api/ingestion/track/", "POST"),
        ("PUT", "/api/auth/me/", "GET"),
        ("OPTIONS", "/api/explorer/users/", "GET"),
        ("PROPFIND", "/api/segments/", "GET, POST"),
    ],
)
def test_a_wrong_method_is_405_and_says_what_is_allowed(owner: Account, method: str, path: str, allowed: str) -> None:
    answer = owner.server.request(method, path)
    error_of(answer, 405)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{'single': 'quotes'}",
        b'{"name": "a"} trailing',
        b'{"name": "\xff\xfe"}',
        b'{"name": "\x00"}',
        b'{"name": 5}',
        b'{"name": ["a"]}',
        b'{"name": "a", "is_active": "maybe"}',
        b'{"name": "a", "definition": "text"}',
        b'{"name": "a", "definition": []}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "\\ud800"}',
        b'{"name": "a", "refresh_minutes": 1e400}',
        b'{"name": "a", "definition": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}",
        b'{"name": "a", "definition": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_malformed_segment_is_400_and_stores_nothing(owner: Account, body: bytes) -> None:
    error_of(owner.server.post("/api/segments/", content=body, headers=JSON), 400)
    assert owner.server.get("/api/segments/").json()["count"] == 0


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"null",
        b"[]",
        b"5",
        b'{"user_id": "\xff", "event_type": "a"}',
        b'{"user_id": "a\x00", "event_type": "a"}',
        b'{"user_id": "a\\u0000", "event_type": "a"}',
        b'{"user_id": "\\ud800", "event_type": "a"}',
        b'{"user_id": 5, "event_type": "a"}',
        b'{"user_id": "a"}',
        b'{"user_id": "a", "event_type": "a", "payload": []}',
        b'{"user_id": "a", "event_type": "a", "payload": ' + b'{"a":' * 17 + b"1" + b"}" * 17 + b"}",
        b'{"user_id": "a", "event_type": "a", "payload": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
        b'{"user_id": "a", "event_type": "a", "occurred_at": "yesterday"}',
        b'{"user_id": "a", "event_type": "a", "occurred_at": "2999-01-01T00:00:00Z"}',
    ],
)
def test_a_malformed_event_is_400_and_stores_nothing(owner: Account, body: bytes) -> None:
    error_of(owner.server.post("/api/ingestion/track/", content=body, headers=JSON), 400)
    assert owner.server.get("/api/explorer/users/").json()["count"] == 0


def test_everything_wrong_in_a_definition_is_named_with_its_path(owner: Account) -> None:
    count = {"type": "event_count", "event_type": "a", "operator": "foo", "surprise": 1}
    definition = {"logic": "XOR", "conditions": [count, {"logic": "AND", "conditions": []}, 7], "extra": True}
    for path, body in (
        ("/api/segments/", {"name": "a", "definition": definition}),
        ("/api/segments/preview/", {"definition": definition}),
    ):
        wrong = error_of(owner.server.post(path, json=body), 400)
        assert list(wrong) == ["definition"]
        texts = wrong["definition"]
        assert isinstance(texts, list)
        for place in (
            "logic",
            "extra",
            "conditions[0].operator: 'foo' is not one of eq, neq",
            "conditions[0].surprise",
            "conditions[0].value",
            "conditions[1].conditions",
            "conditions[2]",
        ):
            assert any(text.startswith(place) for text in texts), (place, texts)
    assert owner.server.get("/api/segments/").json()["count"] == 0


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"events": {}}', b'{"events": []}', json.dumps({"events": [{}] * 501}).encode()]
)
def test_a_batch_that_is_no_list_of_1_to_500_is_400_on_events(owner: Account, body: bytes) -> None:
    answer = owner.server.post("/api/ingestion/track/batch/", content=body, headers=JSON)
    wrong = error_of(answer, 400)
    assert list(wrong) in (["events"], ["detail"])
    assert list(wrong) == ["events"] or body == b"[]"


@pytest.mark.parametrize("path", ["/api/ingestion/track/batch/", "/api/segments/", "/api/auth/token/"])
def test_a_body_of_20_mib_is_413(owner: Account, path: str) -> None:
    body = b'{"x": "' + b"a" * 20 * MEBIBYTE + b'"}'
    error_of(owner.server.post(path, content=body, headers=JSON), 413)


def test_a_body_that_is_not_json_is_415(owner: Account) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml"):
        answer = owner.server.post("/api/segments/", content=b"name=a", headers={"content-type": kind})
        error_of(answer, 415)


def test_wrong_numbers_in_a_query_are_field_errors_all_at_once(owner: Account) -> None:
    answer = owner.server.get("/api/segments/?limit=many&offset=1.5")
    assert set(error_of(answer, 400)) == {"limit", "offset"}
    answer = owner.server.get("/api/segments/?limit=201&offset=-1")
    assert set(error_of(answer, 400)) == {"limit", "offset"}


@pytest.mark.parametrize(
    "authorization",
    ["", "x", "Bearer", "Bearer x", "ApiKey x", "ApiKey sk_live_x", "Basic eDp5", "Bearer " + "a" * 9000],
)
def test_a_bad_credential_is_401(http: httpx.Client, authorization: str) -> None:
    answer = http.get("/api/segments/", headers={"authorization": authorization})
    error_of(answer, 401)
    assert answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "path", ["/api/segments/999999/", "/api/segments/abc/", "/api/segments/99999999999999/", "/api/segments/-1/"]
)
def test_an_object_that_is_not_there_is_404(owner: Account, path: str) -> None:
    error_of(owner.server.get(path), 404)


def test_bytes_that_are_no_http_are_answered_in_json(platform: Running) -> None:
    for request in (
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", platform.settings.edge_port), timeout=10) as connection:
            connection.sendall(request)
            head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
        assert b"application/json" in head
        assert list(json.loads(body)) == ["detail"]


def test_the_request_id_is_kept_made_and_never_echoed_unchecked(http: httpx.Client) -> None:
    assert http.get("/healthz", headers={"x-request-id": "order-77"}).headers["x-request-id"] == "order-77"
    assert len(http.get("/healthz").headers["x-request-id"]) == 36
    assert "<" not in http.get("/healthz", headers={"x-request-id": "<script>"}).headers["x-request-id"]
