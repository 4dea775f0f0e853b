"""The limits of envoy.yaml fit each other, and what they protect; rendering loses none of them."""

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.render import COMMITTED, render
from services.kit.settings import Settings
from tests.another_envoy import Config, breakers, connection_manager, routes
from tests.another_envoy import resource as limit

# Connections that the server of authz serves at a time (granian's backlog where nothing else is set).
AUTHZ_CONNECTIONS = 128
LARGEST_BODY_BYTES = 16 * 2**20
# Of a client that is slow and not hostile.
SLOW_BYTES_PER_SECOND = 500_000 / 8


@pytest.fixture
def config() -> Config:
    loaded: Config = yaml.safe_load(COMMITTED.read_text())
    return loaded


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def served(config: Config) -> Iterator[tuple[dict[str, Any], float]]:
    """Routes to services, with what they give them; Envoy's default is 15 s."""
    for item in routes(config):
        if "route" in item:
            yield item["route"], seconds(item["route"].get("timeout", "15s"))


def test_administration_is_for_this_machine_alone(config: Config, tmp_path: Path) -> None:
    assert config["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
    render(Settings(data_dir=tmp_path), tmp_path / "envoy.yaml")
    rendered = yaml.safe_load((tmp_path / "envoy.yaml").read_text())
    assert "pipe" in rendered["admin"]["address"]


def test_every_service_has_a_limit_and_streams_one_of_their_own(config: Config) -> None:
    for cluster in config["static_resources"]["clusters"]:
        limits = breakers(config, cluster["name"])
        assert limits.keys() >= ({"DEFAULT"} if cluster["name"] == "authz" else {"DEFAULT", "HIGH"})
        for of in limits.values():
            assert of["max_requests"] <= 4096


def test_only_what_has_no_end_is_endless_and_counted_with_the_streams(config: Config) -> None:
    for route, timeout in served(config):
        is_endless = timeout == 0
        assert (route.get("priority") == "HIGH") == is_endless
        assert ("max_stream_duration" in route) == is_endless
        assert not is_endless or seconds(route["idle_timeout"]) > 0


def test_envoy_asks_authz_on_no_more_connections_than_are_served(config: Config) -> None:
    assert breakers(config, "authz")["DEFAULT"]["max_connections"] < AUTHZ_CONNECTIONS


def test_whoever_waits_for_a_service_is_not_taken_for_idle(config: Config) -> None:
    assert seconds(connection_manager(config)["stream_idle_timeout"]) > max(timeout for _, timeout in served(config))


def test_the_largest_body_of_a_slow_client_arrives_in_time(config: Config) -> None:
    manager = connection_manager(config)
    patience = seconds(manager["request_timeout"])
    assert patience > LARGEST_BODY_BYTES / SLOW_BYTES_PER_SECOND
    longest = max(timeout for _, timeout in served(config))
    assert seconds(manager["common_http_protocol_options"]["max_stream_duration"]) > patience + longest


def test_what_a_caller_sends_before_it_is_known_inflates_to_less_than_a_body_may_be(config: Config) -> None:
    manager = connection_manager(config)
    filters = {item["name"]: item["typed_config"] for item in manager["http_filters"]}
    inflated = filters["decompress"]["decompressor_library"]["typed_config"]["max_inflate_ratio"]
    buffer = config["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"]
    window = manager["http2_protocol_options"]["initial_stream_window_size"]
    assert max(2 * buffer, window) * inflated < filters["limit_bodies"]["max_request_bytes"]


def test_connections_leave_half_of_the_memory(config: Config) -> None:
    connections = limit(config, "global_downstream_max_connections")["max_active_downstream_connections"]
    buffer = config["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"]
    assert connections * buffer <= limit(config, "fixed_heap")["max_heap_size_bytes"] / 2


@pytest.mark.parametrize(
    ("files", "connections"), [(4096, 2048), (1_048_576, 10_000), (resource.RLIM_INFINITY, 10_000)]
)
def test_a_machine_that_lets_few_files_be_open_has_fewer_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    render(Settings(data_dir=tmp_path), tmp_path / "envoy.yaml")
    rendered = yaml.safe_load((tmp_path / "envoy.yaml").read_text())
    found = limit(rendered, "global_downstream_max_connections")["max_active_downstream_connections"]
    assert found == connections


@pytest.mark.parametrize("proxies", ["", "10.0.0.0/8"])
def test_rendering_keeps_every_limit_for_every_client(config: Config, tmp_path: Path, proxies: str) -> None:
    render(Settings(data_dir=tmp_path, trusted_proxies=proxies), tmp_path / "envoy.yaml")
    rendered = yaml.safe_load((tmp_path / "envoy.yaml").read_text())
    [listener] = [item for item in rendered["static_resources"]["listeners"] if item["name"] == "edge"]
    assert len(listener["filter_chains"]) == (2 if proxies else 1)
    told = ("http2_protocol_options", "common_http_protocol_options", "max_request_headers_kb")
    timeouts = ("request_headers_timeout", "request_timeout", "stream_idle_timeout")
    for chain in listener["filter_chains"]:
        manager = chain["filters"][0]["typed_config"]
        for name in (*told, *timeouts, "normalize_path", "access_log", "local_reply_config"):
            assert manager[name] == connection_manager(config)[name]
    for name in ("identity", "authz"):
        assert breakers(rendered, name) == breakers(config, name)
