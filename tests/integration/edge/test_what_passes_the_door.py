"""What a client can make services and authz see beside its message: nothing under a name of ours, Envoy's or gRPC's."""

import json

import pytest

from services.kit.caller import ADDRESS_HEADER, IDENTITY_HEADER, REQUEST_ID_HEADER
from tests.e2e.attacks import frames
from tests.e2e.attacks.plain import throw
from tests.integration.edge.recording import Seen, seen

LIST = b"/segops.segments.v1.SegmentsService/ListSegments"


def rest(port: int, *lines: bytes, target: bytes = b"/api/segments/", host: bytes = b"edge.example") -> Seen:
    """What came of a REST request."""
    head = [b"GET %s HTTP/1.1" % target, b"host: " + host, *lines, b"connection: close", b"", b""]
    answers = throw(port, b"\r\n".join(head))
    assert [answer.status for answer in answers] == [200], answers
    return seen(answers[0].body)


def native(port: int, *headers: frames.Header) -> Seen:
    """What came of a gRPC call."""
    answer = frames.ask(port, frames.rpc(port, LIST, *headers), frames.NOTHING)
    return seen(answer.headers["x-http-body"].encode())


def told(got: Seen) -> object:
    """All that came, but what differs from one request to the next."""
    asked = {name: value for name, value in got.asked.items() if name != REQUEST_ID_HEADER}
    headers = [(name, value) for name, value in got.headers if name not in (REQUEST_ID_HEADER, IDENTITY_HEADER)]
    return got.rpc, got.message, got.method, asked, sorted(headers), len(got.values(IDENTITY_HEADER))


OURS = [
    IDENTITY_HEADER,
    ADDRESS_HEADER,
    "x-segops-target",
    "x-segops-url",
    "x-segops-service-secret",
    "x-segops-success",
    "x-segops-anything",
    "x-segops-identity-bin",
    "X-SegOps-Identity",
    "x-http-code",
    "x-http-body",
]
ENVOYS = [
    "x-envoy-original-path",
    "x-envoy-original-method",
    "x-envoy-original-dst-host",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-retry-on",
    "x-envoy-max-retries",
    "x-envoy-attempt-count",
    "x-envoy-internal",
    "x-envoy-external-address",
    "x-envoy-is-timeout-retry",
    "x-envoy-decorator-operation",
    "x-envoy-auth-partial-body",
]
GRPCS = ["grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "grpc-status", "grpc-message", "anything-bin"]
ODD = ["a!b", "a~b", "a'b", "a|b", "x_segops_identity", "grpclb_client_stats"]
OF_THE_CONNECTION = ["te", "keep-alive", "proxy-connection"]


@pytest.mark.parametrize("name", [*OURS, *ENVOYS, *GRPCS, *ODD, *OF_THE_CONNECTION])
def test_a_rest_client_cannot_say_what_others_say(port: int, name: str) -> None:
    sent = name.encode()
    assert told(rest(port, sent + b": eA==", sent + b": 1")) == told(rest(port))


@pytest.mark.parametrize("name", [name.lower() for name in [*OURS, *ENVOYS, *ODD]])
def test_a_grpc_client_cannot_say_what_we_and_envoy_say(port: int, name: str) -> None:
    sent = name.encode()
    assert told(native(port, (sent, b"eA=="), (sent, b"1"))) == told(native(port))


def test_what_is_a_clients_own_to_say_comes_through(port: int) -> None:
    assert rest(port, b"x-own: 1", b"X-Own: 2").values("x-own") == ["1", "2"]
    got = native(port, (b"x-own", b"1"), (b"own-bin", b"eA=="))
    assert (got.values("x-own"), got.values("own-bin")) == (["1"], ["78"])
    assert (
        rest(port, b"authorization: ApiKey x", b"x-tenant-slug: a").asked.items()
        >= {
            "authorization": "ApiKey x",
            "x-tenant-slug": "a",
        }.items()
    )


@pytest.mark.parametrize("named", [b"x-segops-identity", b"x-segops-address, x-segops-target, x-segops-url", b"te"])
def test_a_header_named_in_connection_is_none_of_ours_that_goes_missing(port: int, named: bytes) -> None:
    assert told(rest(port, b"connection: " + named)) == told(rest(port))


def test_a_credential_stays_at_the_door(port: int) -> None:
    for got in (rest(port, b"authorization: ApiKey x"), native(port, (b"authorization", b"ApiKey x"))):
        assert got.asked["authorization"] == "ApiKey x"
        assert got.values("authorization") == []


def test_a_torn_or_folded_line_stays_one_header(port: int) -> None:
    torn = rest(port, b"x-own: a\rx-segops-target: /b", b"x-tenant-slug: a\rx-segops-target: /b")
    folded = rest(port, b"x-own: a\r\n x-segops-target: /b", b"x-tenant-slug: a\r\n x-segops-target: /b")
    for got in (torn, folded):
        assert got.target == "/api/segments"
        assert len(got.values("x-segops-target")) == 1
        assert got.asked["x-tenant-slug"] == got.values("x-own")[0]


@pytest.mark.parametrize(("sent", "came"), [(b"caf\xc3\xa9", "caf%C3%A9"), (b"\xff\xfe", "%FF%FE")])
def test_what_grpc_takes_for_no_text_comes_in_percent_signs(port: int, sent: bytes, came: str) -> None:
    assert rest(port, b"x-own: " + sent).values("x-own") == [came]
    assert native(port, (b"x-own", sent)).values("x-own") == [came]
    assert rest(port, b"authorization: ApiKey " + sent).asked["authorization"] == f"ApiKey {came}"


@pytest.mark.parametrize("name", [b"content-type", b"authorization", b"x-tenant-slug", b"x-own"])
@pytest.mark.parametrize("value", [b" application/json", b"application/json ", b"application/grpc\t", b" "])
def test_a_value_with_a_space_around_it_is_refused(port: int, name: bytes, value: bytes) -> None:
    sent = frames.request(port, b"GET", b"/api/segments", (name, value))
    assert frames.ask(port, sent).status == 400
    assert frames.ask(port, [*sent[:-1], (name, value.strip())]).status == 200


@pytest.mark.parametrize(
    ("target", "host", "url"),
    [
        (b"/api/segments/", b"edge.example:80", "http://edge.example:80/api/segments/"),
        (b"/api/segments?limit=1", b"[2001:db8::1]:80", "http://[2001:db8::1]:80/api/segments/?limit=1"),
        (b"http://other.example/api/segments/", b"edge.example", "http://other.example/api/segments/"),
        (b"http://a:b@other.example/api/segments/", b"edge.example", "http://other.example/api/segments/"),
    ],
)
def test_the_url_is_that_of_the_request_line_and_the_scheme_our_own(
    port: int, target: bytes, host: bytes, url: str
) -> None:
    assert rest(port, target=target, host=host).url == url


def test_over_http_2_the_authority_counts_and_not_a_host_beside_it(port: int) -> None:
    answer = frames.ask(port, frames.request(port, b"GET", b"/api/segments", (b"host", b"evil.example")))
    got = seen(answer.body)
    assert got.url == f"http://127.0.0.1:{port}/api/segments/"
    assert got.asked["host"] == f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    "host",
    [
        b"", b"a b", b"a,b", b"a/b", b"a?b", b"a#b", b"a@b", b"a\\b", b"a:b", b"a:80:80", b":80", b"\xff", b"a'b",
        b"<a>", b"%61", b"[::1", b"::1", b"a\r\nhost: b", b"a\r\nHost: a", b"a" * 262,
    ],
)  # fmt: skip
def test_a_host_that_is_none_is_refused(port: int, host: bytes) -> None:
    raw = b"GET /api/segments/ HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n"
    answers = throw(port, raw % host)
    assert [answer.status for answer in answers] == [400]
    assert list(json.loads(answers[0].body)) == ["detail"]
    assert [answer.status for answer in throw(port, raw % b"a")] == [200]
