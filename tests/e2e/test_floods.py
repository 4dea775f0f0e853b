"""Somebody opens or asks or sends as much as they can: there is a limit, and others are served meanwhile."""

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import httpx
import pytest
from h2.connection import H2Connection
from h2.events import RemoteSettingsChanged
from h2.settings import SettingCodes

from tests.another_envoy import AnotherEnvoy, Config, another_envoy, resource
from tests.e2e.account import Account, register
from tests.e2e.attacks import frames
from tests.e2e.test_error_shapes import error_of
from tests.running import Running, wait_for

# Addresses of this machine.
FLOOD, OTHER = "127.0.0.7", "127.0.0.8"
A_SECOND = 20
CONNECTIONS = 10
STREAMS = 100
MEBIBYTE = 2**20
# For fewer than eight bodies of 16 MiB; an Envoy that serves nobody takes 16 MiB.
HEAP_BYTES = 100 * MEBIBYTE


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """One tenant for all tests here."""
    with register(url) as account:
        yield account


def client(envoy: AnotherEnvoy, owner: Account, address: str) -> httpx.Client:
    """A client at an address of this machine."""
    transport = httpx.HTTPTransport(local_address=address, verify=False)
    return httpx.Client(base_url=envoy.url, headers=owner.server.headers, transport=transport, timeout=20)


def test_an_address_that_asks_too_much_is_429_and_the_others_are_served(platform: Running, owner: Account) -> None:
    settings = platform.settings.model_copy(update={"edge_requests_per_second": A_SECOND})
    with (
        another_envoy(settings, lambda _: None) as envoy,
        client(envoy, owner, FLOOD) as flood,
        client(envoy, owner, OTHER) as other,
        ThreadPoolExecutor(8) as threads,
    ):
        asked = [threads.submit(flood.get, "/healthz") for _ in range(10 * A_SECOND)]
        for _ in range(5):
            assert other.get("/api/segments/").status_code == 200
        answers = [future.result() for future in asked]
        assert Counter(answer.status_code for answer in answers).keys() == {200, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert error_of(refused, 429) == {"detail": "Too many requests from this address."}
        assert refused.headers["retry-after"] == "1"
        wait_for(lambda: flood.get("/healthz").status_code == 200)


def test_there_are_only_so_many_connections(platform: Running, owner: Account) -> None:
    def narrow(config: Config) -> None:
        resource(config, "global_downstream_max_connections")["max_active_downstream_connections"] = CONNECTIONS

    with another_envoy(platform.settings, narrow) as envoy, client(envoy, owner, OTHER) as other:
        assert other.get("/healthz").status_code == 200
        with ExitStack() as stack:
            for _ in range(3 * CONNECTIONS):
                stack.enter_context(socket.create_connection(("127.0.0.1", envoy.port), timeout=10))
            wait_for(lambda: envoy.stat(r"listener\.0.*downstream_global_cx_overflow") >= 2 * CONNECTIONS)
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{envoy.url}/healthz", verify=False)
            # Who was there before is served.
            assert other.get("/healthz").status_code == 200
        wait_for(lambda: answers(envoy))
        assert envoy.is_alive()


def answers(envoy: AnotherEnvoy) -> bool:
    """Whether it takes another connection."""
    with suppress(httpx.TransportError):
        return httpx.get(f"{envoy.url}/healthz", verify=False).status_code == 200
    return False


def test_a_connection_carries_only_so_many_streams_and_may_not_reset_them_in_a_row(
    platform: Running, owner: Account
) -> None:
    port = platform.settings.edge_port
    connection = H2Connection()
    connection.initiate_connection()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(connection.data_to_send())
        told: list[object] = []
        while not any(isinstance(event, RemoteSettingsChanged) for event in told):
            told += connection.receive_data(wire.recv(4096))
        assert connection.remote_settings.max_concurrent_streams == STREAMS
        # h2 keeps to it by itself unless it is told otherwise.
        connection.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 10**6
        connection.remote_settings.acknowledge()
        asked = frames.request(port, b"GET", b"/healthz")
        with suppress(ConnectionError):
            for stream in range(1, 2 * 2000, 2):
                connection.send_headers(stream, asked, end_stream=True)
                connection.reset_stream(stream)
                wire.sendall(connection.data_to_send())
            while wire.recv(4096):
                pass
    assert owner.server.get("/api/segments/").status_code == 200


@pytest.mark.parametrize("point", ["http_connection_manager_decode_headers", "tcp_listener_accept"])
def test_more_bodies_than_there_is_memory_for_are_refused_until_there_is(
    platform: Running, owner: Account, point: str
) -> None:
    def shrink(config: Config) -> None:
        resource(config, "fixed_heap")["max_heap_size_bytes"] = HEAP_BYTES
        points = config["overload_manager"]["loadshed_points"]
        points[:] = [item for item in points if item["name"] == f"envoy.load_shed_points.{point}"]

    head = (
        f"POST /api/ingestion/track/batch/ HTTP/1.1\r\nhost: edge\r\nauthorization: ApiKey {owner.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {16 * MEBIBYTE}\r\n\r\n"
    ).encode()
    with another_envoy(platform.settings, shrink) as envoy:
        wait_for(lambda: answers(envoy))
        with ExitStack() as stack:
            clients = [stack.enter_context(socket.create_connection(("127.0.0.1", envoy.port), 10)) for _ in range(8)]
            for unfinished in clients:
                # The last of them may be refused already.
                with suppress(ConnectionError):
                    unfinished.sendall(head + bytes(15 * MEBIBYTE))
            wait_for(lambda: envoy.stat(f"overload.envoy.load_shed_points.{point}.scale_percent") == 100)
            if point == "tcp_listener_accept":
                with pytest.raises(httpx.TransportError):
                    httpx.get(f"{envoy.url}/healthz", verify=False)
            else:
                refused = httpx.get(f"{envoy.url}/healthz", verify=False)
                assert "a retry is safe" in str(error_of(refused, 503)["detail"])
                assert refused.headers["retry-after"] == "1"
        wait_for(lambda: answers(envoy))
        assert envoy.is_alive()
