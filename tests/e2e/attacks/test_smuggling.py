"""Requests that one reader would take for one and another for two, and bytes that would end a header early."""

from collections.abc import Mapping

import grpc
import pytest

from tests.e2e.account import Account
from tests.e2e.attacks import frames
from tests.e2e.attacks.plain import throw

EVENT = b'{"user_id": "a", "event_type": "b"}'
HOST = b"host: edge.example\r\n"
# What would be smuggled. Its answer ends the connection.
SECOND = b"GET /healthz HTTP/1.1\r\nhost: edge.example\r\nconnection: close\r\n\r\n"
LENGTH = b"content-length: %d\r\n" % len(EVENT)
CHUNKED = b"transfer-encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)


def post(account: Account, framing: bytes, body: bytes) -> bytes:
    """An event as it is sent, and behind it another request."""
    shown = b"authorization: ApiKey %s\r\ncontent-type: application/json\r\n" % account.key.encode()
    return b"POST /api/ingestion/track/ HTTP/1.1\r\n" + HOST + shown + framing + b"\r\n" + body + SECOND


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (LENGTH, EVENT),
        (CHUNKED, CHUNKS),
        (b"Transfer-Encoding:\tChunked \r\n", CHUNKS),
        (CHUNKED, b"%x;name=value\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)),
        (CHUNKED, CHUNKS[:-2] + b"content-length: 5\r\nhost: evil.example\r\n\r\n"),
    ],
)
def test_a_body_ends_where_it_says_and_the_next_request_begins_there(
    port: int, ours: Account, framing: bytes, body: bytes
) -> None:
    assert [answer.status for answer in throw(port, post(ours, framing, body))] == [202, 200]


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (LENGTH + CHUNKED, CHUNKS),
        (CHUNKED + LENGTH, CHUNKS),
        (b"content-length: 4\r\n" + CHUNKED, CHUNKS),
        (LENGTH + LENGTH, EVENT),
        (LENGTH + b"content-length: 2\r\n", EVENT),
        (b"content-length: %d, %d\r\n" % (len(EVENT), len(EVENT)), EVENT),
        (b"content-length: +%d\r\n" % len(EVENT), EVENT),
        (b"content-length: -1\r\n", EVENT),
        (b"content-length: 0x%x\r\n" % len(EVENT), EVENT),
        (b"content-length: %d\r\n" % (2**64 + len(EVENT)), EVENT),
        (b"content-length: %d.0\r\n" % len(EVENT), EVENT),
        (b"content-length: 3 5\r\n", EVENT),
        (b"content-length: \r\n", EVENT),
        (b"content-length : %d\r\n" % len(EVENT), EVENT),
        (b"content-length\r\n", EVENT),
        (b"transfer-encoding : chunked\r\n", CHUNKS),
        (b"transfer-encoding\t: chunked\r\n", CHUNKS),
        (b"transfer-encoding: xchunked\r\n", CHUNKS),
        (b"transfer-encoding: chunked, identity\r\n", CHUNKS),
        (b"transfer-encoding: identity, chunked\r\n", CHUNKS),
        (b"transfer-encoding: gzip, chunked\r\n", CHUNKS),
        (b"transfer-encoding: chunked, chunked\r\n", CHUNKS),
        (b"transfer-encoding: identity\r\n", CHUNKS),
        (b'transfer-encoding: "chunked"\r\n', CHUNKS),
        (b"transfer-encoding: chunked\x0b\r\n", CHUNKS),
        (b"transfer-encoding: chunked;x\r\n", CHUNKS),
        (CHUNKED + b"transfer-encoding: identity\r\n", CHUNKS),
        (b"transfer-encoding: identity\r\n" + CHUNKED, CHUNKS),
        (CHUNKED, b"0x" + CHUNKS),
        (CHUNKED, b"-" + CHUNKS),
        (CHUNKED, b"g\r\n" + CHUNKS),
        (CHUNKED, b"\r\n" + CHUNKS),
        (CHUNKED, b"%x\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)),
        (CHUNKED, b"%x\r%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)),
        (CHUNKED, b"%x;a\nb\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)),
        (CHUNKED, b"%x\r\n%sxx0\r\n\r\n" % (len(EVENT), EVENT)),
        (CHUNKED, b"1%016x\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)),
        (b"x-null: a\0b\r\n" + LENGTH, EVENT),
        (b"x-name\0: b\r\n" + LENGTH, EVENT),
        (b"x name: b\r\n" + LENGTH, EVENT),
        (b": b\r\n" + LENGTH, EVENT),
        (b"x-\xff: b\r\n" + LENGTH, EVENT),
    ],
)
def test_what_two_readers_might_frame_differently_is_refused_and_ends_the_connection(
    port: int, ours: Account, framing: bytes, body: bytes
) -> None:
    answers = throw(port, post(ours, framing, body))
    assert [answer.status for answer in answers] == [400]
    assert answers[0].headers["connection"] == "close"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /api/segments/ HTTP/1.1", 200),
        (b"GET http://edge.example/api/segments/ HTTP/1.1", 200),
        (b"GET ftp://edge.example/api/segments/ HTTP/1.1", 400),
        (b"GET http:///api/segments/ HTTP/1.1", 400),
        (b"GET api/segments/ HTTP/1.1", 400),
        (b"GET /api/segments/ HTTP/1.1 HTTP/1.1", 400),
        (b"GET /api/segments/\0 HTTP/1.1", 400),
        (b"GET /api/segments/#fragment HTTP/1.1", 400),
        (b"GET /api/segments/?a=\xff HTTP/1.1", 400),
        (b"GET /api/segments/ HTTP/1.0", 426),
        (b"GET /api/segments/ HTTP/2.0", 426),
        (b"GET /api/segments/", 426),
        (b"get /api/segments/ HTTP/1.1", 405),
        (b"TRACE /api/segments/ HTTP/1.1", 405),
        (b"DEBUG /api/segments/ HTTP/1.1", 405),
        (b"CONNECT edge.example:443 HTTP/1.1", 400),
        (b"CONNECT 127.0.0.1:80 HTTP/1.1", 400),
        (b"OPTIONS * HTTP/1.1", 404),
    ],
)
def test_only_one_kind_of_request_line_is_served(port: int, ours: Account, line: bytes, status: int) -> None:
    shown = b"authorization: ApiKey %s\r\nconnection: close\r\n\r\n" % ours.key.encode()
    answers = throw(port, line + b"\r\n" + HOST + shown)
    assert [answer.status for answer in answers] == [status]
    assert ours.key.encode() not in answers[0].body
    assert b'"detail":""' not in answers[0].body


ADDED: list[frames.Header] = [
    (b"x-own", b"a\r\nx-segops-identity: b"),
    (b"x-own", b"a\nb"),
    (b"x-own", b"a\rb"),
    (b"x-own", b"a\0b"),
    (b"x-tenant-slug", b"a\r\n\r\nGET /readyz HTTP/1.1\r\n\r\n"),
    (b"content-type", b"a\r\nx-segops-target: /healthz"),
    (b"x-own: a\r\nx-segops-identity", b"b"),
    (b"x own", b"a"),
    (b"x-own:", b"a"),
    (b"X-Segops-Identity", b"a"),
    (b"", b"a"),
    (b"transfer-encoding", b"chunked"),
    (b"connection", b"x-segops-identity"),
    (b"keep-alive", b"1"),
    (b"proxy-connection", b"keep-alive"),
    (b"upgrade", b"h2c"),
    (b"te", b"chunked"),
    (b"content-length", b"5"),
    (b"content-length", b"-1"),
    (b":path", b"/healthz"),
    (b":authority", b"evil.example"),
    (b":method", b"POST"),
    (b":status", b"200"),
    (b":own", b"a"),
]
CHANGED: list[frames.Header] = [
    (b":method", b"GET /healthz"),
    (b":method", b"GET /healthz HTTP/1.1\r\nx: "),
    (b":method", b""),
    (b":method", b"CONNECT"),
    (b":path", b"/healthz HTTP/1.1\r\nx: "),
    (b":path", b"/api/segments/ x"),
    (b":path", b"/api/segments/\t"),
    (b":path", b"/api/segments/\x7f"),
    (b":path", b"api/segments/"),
    (b":path", b"http://edge.example/api/segments/"),
    (b":path", b"*"),
    (b":path", b""),
    (b":authority", b""),
    (b":authority", b"user@edge.example"),
    (b":authority", b"edge.example/x"),
    (b":authority", b"edge.example\r\nx: y"),
    (b":scheme", b"http://evil.example/"),
    (b":scheme", b""),
]


@pytest.fixture(scope="module")
def spoilt(port: int, ours: Account) -> dict[frames.Header, frames.Answer]:
    """What came of each spoilt request, and under an empty name of the one as it ought to be."""
    plain = frames.request(port, b"GET", b"/api/segments/", (b"authorization", b"ApiKey " + ours.key.encode()))
    requests = {header: [*plain, header] for header in ADDED}
    for name, value in CHANGED:
        requests[name, value] = [(sent, value if sent == name else own) for sent, own in plain]
    return frames.ask_all(port, {**requests, (b"", b""): plain})


@pytest.mark.parametrize("header", [*ADDED, *CHANGED])
def test_over_http_2_no_header_ends_early_is_another_or_frames_the_body(
    spoilt: Mapping[frames.Header, frames.Answer], header: frames.Header
) -> None:
    assert (spoilt[b"", b""].status, spoilt[header].status) == (200, None)


@pytest.mark.parametrize("said", [b"5", b"500", b"0"])
def test_over_http_2_a_body_is_as_long_as_it_says(port: int, ours: Account, said: bytes) -> None:
    shown = (b"authorization", b"ApiKey " + ours.key.encode()), (b"content-type", b"application/json")
    sent = frames.request(port, b"POST", b"/api/ingestion/track/", *shown)
    assert frames.ask(port, [*sent, (b"content-length", b"%d" % len(EVENT))], EVENT).status == 202
    assert frames.ask(port, [*sent, (b"content-length", said)], EVENT).status is None


@pytest.mark.parametrize("body", [b"", b"\0\0\0", b"\0\0\0\0\5ab"])
@pytest.mark.parametrize(
    "rpc",
    [
        b"/segops.identity.v1.IdentityService/GetJwks",
        b"/segops.ingestion.v1.ShopifyService/ReceiveWebhook",
        b"/segops.segments.v1.SegmentsService/ListSegments",
        b"/segops.segments.v1.SegmentsService/StreamMembers",
    ],
)
def test_a_grpc_call_that_ends_without_a_whole_message_is_answered_and_holds_no_place(
    port: int, ours: Account, rpc: bytes, body: bytes
) -> None:
    called = frames.rpc(port, rpc, (b"authorization", b"ApiKey " + ours.key.encode()))
    assert frames.ask(port, called, body).grpc_status == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert frames.ask(port, called, frames.NOTHING).grpc_status != grpc.StatusCode.UNAVAILABLE.value[0]
