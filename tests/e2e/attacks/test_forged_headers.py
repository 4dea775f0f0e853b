"""Headers that only the edge may set, and those by which other proxies are told to do something else."""

from collections.abc import Sequence

import grpc
import httpx
import pytest

from services.kit.caller import IDENTITY_HEADER, SERVICE_SECRET_HEADER
from services.kit.keys import SERVICE_SECRET, secret
from tests.e2e.account import Account
from tests.e2e.attacks import frames
from tests.e2e.attacks.inside import call
from tests.e2e.attacks.plain import throw
from tests.running import Running

LIST = "/segops.segments.v1.SegmentsService/ListSegments"
ME = "/segops.identity.v1.IdentityService/GetMe"
TENANTS = "/segops.identity.v1.AdminService/ListTenants"
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED.value[0]
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED.value[0]


def test_a_stolen_identity_would_open_a_service(platform: Running, stolen: str) -> None:
    status, segments = call(platform, "segments", LIST, (IDENTITY_HEADER, stolen))
    assert (status, b"theirs" in segments) == (grpc.StatusCode.OK, True)


@pytest.mark.parametrize(
    "spelled",
    [
        b"x-segops-identity: %s\r\n",
        b"X-SEGOPS-IDENTITY:%s\r\n",
        b"X-Segops-Identity:\t%s\t\r\n",
        b"x-segops-identity: x\r\nx-segops-identity: %s\r\n",
        b"x-segops-identity: %s\r\nx-segops-identity: x\r\n",
        b"x-segops-identity:\r\n %s\r\n",
        b"x-own: a\nx-segops-identity: %s\n",
        b"x-own: a\rx-segops-identity: %s\r\n",
        b"x-own: a\r\n x-segops-identity: %s\r\n",
        b"x_segops_identity: %s\r\n",
        b"x-segops_identity: %s\r\n",
        b"x.segops.identity: %s\r\n",
        b"x-segops-identity-bin: %s\r\n",
        b"connection: x-segops-identity\r\nx-segops-identity: %s\r\n",
        b"cookie: x-segops-identity=%s\r\n",
        b"authorization: %s\r\n",
        b"authorization: Bearer %s\r\n",
        b"authorization: ApiKey %s\r\n",
        b"proxy-authorization: Bearer %s\r\n",
        b"x-api-key: %s\r\n",
        b"x-forwarded-access-token: %s\r\n",
        b"x-original-authorization: Bearer %s\r\n",
    ],
)
def test_a_stolen_identity_opens_nothing_at_the_edge(port: int, stolen: str, theirs: Account, spelled: bytes) -> None:
    head = b"GET /api/segments/ HTTP/1.1\r\nhost: edge.example\r\nconnection: close\r\n"
    (refused,) = throw(port, head + spelled % stolen.encode() + b"\r\n")
    assert refused.status == 401
    (served,) = throw(port, head + b"authorization: ApiKey %s\r\n\r\n" % theirs.key.encode())
    assert (served.status, b"theirs" in served.body) == (200, True)


@pytest.mark.parametrize(
    "spelled",
    [
        b"x-segops-identity: %s\r\n\r\n",
        b"\r\nx-segops-identity: %s\r\n\r\n",
        b"authorization: Bearer %s\r\n\r\n",
    ],
)
def test_nor_in_the_trailers_of_a_chunked_body(port: int, stolen: str, spelled: bytes) -> None:
    head = b"POST /api/segments/ HTTP/1.1\r\nhost: edge.example\r\nconnection: close\r\n"
    body = b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    assert throw(port, head + body + spelled % stolen.encode())[0].status == 401


NAMES = [IDENTITY_HEADER, "x-segops-identity-bin", "x_segops_identity", "authorization"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_last", [False, True])
def test_nor_in_a_grpc_call_whether_first_or_last(port: int, stolen: str, name: str, is_last: bool) -> None:
    forged = (name.encode(), stolen.encode())
    headers, trailers = ([], [forged]) if is_last else ([forged], [])
    refused = frames.ask(port, frames.rpc(port, LIST.encode(), *headers), frames.NOTHING, trailers)
    assert refused.grpc_status == UNAUTHENTICATED


@pytest.mark.parametrize("is_last", [False, True])
def test_beside_a_good_credential_it_makes_nobody_another(port: int, stolen: str, ours: Account, is_last: bool) -> None:
    own, forged = (b"authorization", b"ApiKey " + ours.key.encode()), (IDENTITY_HEADER.encode(), stolen.encode())
    headers, trailers = ([own], [forged]) if is_last else ([own, forged], [])
    served = frames.ask(port, frames.rpc(port, LIST.encode(), *headers), frames.NOTHING, trailers)
    assert served.grpc_status == 0
    assert b"theirs" not in served.body
    assert b"theirs" not in ours.server.get("/api/segments/", headers={IDENTITY_HEADER: stolen}).content


@pytest.fixture(scope="module")
def shown(platform: Running) -> tuple[str, str]:
    """What a process of ours shows that has no identity."""
    return SERVICE_SECRET_HEADER, secret(platform.settings, SERVICE_SECRET)


def test_the_platforms_own_secret_opens_nothing_at_the_edge(
    platform: Running, port: int, shown: tuple[str, str]
) -> None:
    assert call(platform, "identity", TENANTS, shown)[0] == grpc.StatusCode.OK
    sent = (shown[0].encode(), shown[1].encode())
    for rpc, status in ((TENANTS, UNIMPLEMENTED), (ME, UNAUTHENTICATED)):
        assert frames.ask(port, frames.rpc(port, rpc.encode(), sent), frames.NOTHING).grpc_status == status


def test_and_beside_a_good_credential_it_makes_nobody_another(ours: Account, shown: tuple[str, str]) -> None:
    plain, with_it = (ours.person.get("/api/auth/me/", headers=[*headers]) for headers in ([], [shown]))
    assert (with_it.status_code, with_it.content) == (200, plain.content)


TOLD: Sequence[tuple[str, str]] = [
    ("x-segops-target", "/healthz"),
    ("x-segops-target", "/.well-known/jwks.json"),
    ("x-segops-url", "http://evil.example/"),
    ("x-segops-success", "418"),
    ("x-http-code", "418"),
    ("x-http-body", "{}"),
    ("x-original-url", "/healthz"),
    ("x-rewrite-url", "/healthz"),
    ("x-forwarded-prefix", "/healthz"),
    ("x-forwarded-path", "/healthz"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-for", "127.0.0.1"),
    ("forwarded", "for=127.0.0.1;host=evil.example;proto=https"),
    ("x-real-ip", "127.0.0.1"),
    ("x-host", "evil.example"),
    ("x-http-method-override", "DELETE"),
    ("x-http-method", "DELETE"),
    ("x-method-override", "DELETE"),
    ("x-envoy-original-path", "/healthz"),
    ("x-envoy-original-method", "DELETE"),
    ("x-envoy-internal", "true"),
    ("x-envoy-upstream-rq-timeout-ms", "1"),
    ("x-envoy-upstream-rq-per-try-timeout-ms", "1"),
    ("x-envoy-expected-rq-timeout-ms", "1"),
    ("x-envoy-retry-on", "5xx,retriable-4xx"),
    ("x-envoy-max-retries", "100"),
    ("x-envoy-hedge-on-per-try-timeout", "true"),
    ("x-envoy-upstream-alt-stat-name", "evil"),
    ("x-envoy-original-dst-host", "127.0.0.1:1"),
    ("x-forwarded-client-cert", "By=spiffe://evil;URI=spiffe://segops/edge"),
    ("grpc-timeout", "1n"),
    ("grpc-timeout", "not a time"),
    ("grpc-encoding", "gzip"),
    ("grpc-status", "0"),
    ("te", "chunked"),
    ("anything-bin", "no base64"),
    ("upgrade", "h2c"),
    ("expect", "200-ok"),
]


@pytest.mark.parametrize(("name", "value"), TOLD)
def test_no_header_tells_the_edge_to_do_something_else(
    http: httpx.Client, theirs: Account, name: str, value: str
) -> None:
    plain, told = (theirs.server.get("/api/segments/?limit=1", headers=headers) for headers in ({}, {name: value}))
    assert (told.status_code, told.content) == (plain.status_code, plain.content)
    assert plain.status_code == 200
    path = f"/api/segments/{plain.json()['results'][0]['id']}/"
    assert theirs.server.get(path, headers={name: value}).status_code == 200
    assert http.get(path, headers={name: value}).status_code == 401


@pytest.mark.parametrize("head", [b"", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"])
def test_a_connection_does_not_become_another_protocol(port: int, theirs: Account, head: bytes) -> None:
    asked = b"GET /api/segments/ HTTP/1.1\r\nhost: edge.example\r\n"
    shown = b"authorization: ApiKey %s\r\n" % theirs.key.encode()
    upgrade = b"connection: close, upgrade, http2-settings\r\nupgrade: %s\r\n" + head + b"\r\n"
    for protocol, allowed in ((b"h2c", (401, 200)), (b"websocket", (403, 403)), (b"connect-udp", (404, 404))):
        statuses = [throw(port, asked + more + upgrade % protocol)[0].status for more in (b"", shown)]
        assert tuple(statuses) == allowed


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/api/docs/", "/api/docs/x", "/api/schema/", "/api/segments/", "/x"]
)
def test_no_answer_tells_of_what_is_inside(http: httpx.Client, theirs: Account, path: str) -> None:
    for client in (http, theirs.server):
        names = client.get(path).headers.keys()
        assert "x-request-id" in names
        assert not [
            name for name in names if name.startswith(("x-segops", "x-http", "x-envoy", "grpc", "server", "via"))
        ]
