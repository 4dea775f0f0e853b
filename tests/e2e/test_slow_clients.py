"""Whoever sends or reads too slowly is cut off, and nobody else waits for them."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from queue import SimpleQueue

import grpc
import httpx
import pytest
from h2.connection import H2Connection
from h2.events import Event, StreamEnded, StreamReset

from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb
from services.gen.segops.ingestion.v1 import ingestion_pb2_grpc as pb_grpc
from tests.another_envoy import AnotherEnvoy, Config, another_envoy, connection_manager
from tests.e2e.account import Account, register
from tests.e2e.attacks import frames
from tests.running import Running

# Of each kind, beside those who are served.
SLOW = 40
DRIP_SECONDS = 0.1
HASTY = {"request_headers_timeout": "0.5s", "request_timeout": "1s", "stream_idle_timeout": "0.7s"}
DURATIONS = {"idle_timeout": "0.5s", "max_stream_duration": "2s"}
LONGER_THAN_ANY_SECONDS = 2.5


@pytest.fixture(scope="module")
def envoy(platform: Running) -> Iterator[AnotherEnvoy]:
    """The edge's Envoy with patience for a second instead of minutes."""

    def hurry(config: Config) -> None:
        manager = connection_manager(config)
        assert manager.keys() >= HASTY.keys()
        manager |= HASTY
        assert manager["common_http_protocol_options"].keys() >= DURATIONS.keys()
        manager["common_http_protocol_options"] |= DURATIONS

    with another_envoy(platform.settings, hurry) as made:
        yield made


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """One tenant for all tests here."""
    with register(url) as account:
        yield account


def head(owner: Account, *lines: str) -> bytes:
    """The first lines of an event that is sent."""
    sent = ["POST /api/ingestion/track/ HTTP/1.1", "host: edge", f"authorization: ApiKey {owner.key}", *lines]
    return "\r\n".join(sent).encode()


def drip(connection: socket.socket) -> bytes:
    """The answer to a client that sends a byte now and then, until it is closed."""
    received = b""
    connection.settimeout(DRIP_SECONDS)
    with suppress(ConnectionError):
        while True:
            connection.sendall(b" ")
            with suppress(TimeoutError):
                if not (more := connection.recv(4096)):
                    break
                received += more
    return received


def patience(envoy: AnotherEnvoy, sent: bytes) -> tuple[bytes, float]:
    """What a client that drips after `sent` is answered, and after how many seconds it is closed."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", envoy.port), timeout=10) as connection:
        connection.sendall(sent)
        answer = drip(connection)
    return answer, time.monotonic() - started


def is_408(answer: bytes) -> bool:
    """Whether it is that, in the shape of every error."""
    first, _, body = answer.partition(b"\r\n\r\n")
    return first.startswith(b"HTTP/1.1 408") and list(json.loads(body)) == ["detail"]


def test_who_does_not_finish_its_headers_is_cut_off(envoy: AnotherEnvoy, owner: Account) -> None:
    answer, seconds = patience(envoy, head(owner, "x-slow: a"))
    assert is_408(answer)
    assert 0.4 < seconds < 5


def test_who_sends_a_body_byte_by_byte_is_cut_off(envoy: AnotherEnvoy, owner: Account) -> None:
    for length in ("content-length: 1000", "transfer-encoding: chunked\r\n\r\n1000"):
        answer, seconds = patience(envoy, head(owner, "content-type: application/json", length, "", "{"))
        assert is_408(answer)
        assert 0.9 < seconds < 5


def test_who_stops_in_a_body_or_says_nothing_is_cut_off(envoy: AnotherEnvoy, owner: Account) -> None:
    for sent, statuses in ((head(owner, "content-length: 1000", "", "{"), [b"408"]), (b"", [])):
        with socket.create_connection(("127.0.0.1", envoy.port), timeout=10) as connection:
            connection.sendall(sent)
            received = connection.makefile("rb").read()
        assert [received[9:12]] * bool(received) == statuses


@pytest.mark.parametrize("read_bytes", [0, 1])
def test_who_reads_nothing_or_byte_by_byte_is_cut_off(envoy: AnotherEnvoy, owner: Account, read_bytes: int) -> None:
    # It has room for 64 KiB, and says no more of its own accord.
    connection = H2Connection()
    connection.initiate_connection()
    asked = frames.request(envoy.port, b"GET", b"/api/schema/", (b"authorization", f"ApiKey {owner.key}".encode()))
    connection.send_headers(frames.STREAM, asked, end_stream=True)
    events: list[Event] = []
    with socket.create_connection(("127.0.0.1", envoy.port), timeout=DRIP_SECONDS) as wire:
        started = time.monotonic()
        while not any(isinstance(event, StreamReset) for event in events):
            assert time.monotonic() < started + 10
            assert not any(isinstance(event, StreamEnded) for event in events)
            if read_bytes and events:
                connection.increment_flow_control_window(read_bytes)
                connection.increment_flow_control_window(read_bytes, frames.STREAM)
            wire.sendall(connection.data_to_send())
            with suppress(TimeoutError):
                events += connection.receive_data(wire.recv(4096))


def test_a_stream_lasts_as_long_as_something_moves(envoy: AnotherEnvoy, owner: Account) -> None:
    batches: SimpleQueue[pb.TrackStreamRequest | None] = SimpleQueue()
    with grpc.insecure_channel(f"127.0.0.1:{envoy.port}") as channel:
        stream = pb_grpc.IngestionServiceStub(channel).TrackStream(
            iter(batches.get, None), metadata=(("authorization", f"ApiKey {owner.key}"),)
        )
        started = time.monotonic()
        while time.monotonic() < started + LONGER_THAN_ANY_SECONDS:
            batches.put(pb.TrackStreamRequest(events=[pb.Event(user_id="u1", event_type="t")]))
            assert next(stream).result.queued == 1
        batches.put(None)
        assert list(stream) == []


def test_the_others_do_not_wait_for_the_slow(envoy: AnotherEnvoy, owner: Account) -> None:
    slow = [b"", head(owner, "x-slow: a"), head(owner, "content-length: 1000", "", "{")]
    with ExitStack() as stack:
        for sent in slow * SLOW:
            stack.enter_context(socket.create_connection(("127.0.0.1", envoy.port), timeout=10)).sendall(sent)
        with httpx.Client(base_url=envoy.url, headers=owner.server.headers, timeout=2, verify=False) as quick:
            for _ in range(5):
                assert quick.get("/api/segments/membership/?user_id=u1").status_code == 200


def test_a_body_may_come_in_many_small_pieces(owner: Account) -> None:
    """At the committed limits, a byte a packet."""
    body = json.dumps({"user_id": "u1", "event_type": "t"}).encode()
    answer = owner.server.post(
        "/api/ingestion/track/",
        content=(body[place : place + 1] for place in range(len(body))),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 202
