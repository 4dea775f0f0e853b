"""The least that an Envoy can do for a membership check: transcode and pass on. No Lua, authorization or limits."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import yaml

from deploy.local.envoy import BINARY
from edge.render import ROOT
from services.kit.settings import Settings
from tests.running import wait_for

FILTERS = "type.googleapis.com/envoy.extensions.filters"
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


@contextmanager
def bare_envoy(settings: Settings, identity: tuple[tuple[str, str], ...]) -> Iterator[int]:
    """The port of an Envoy that passes everything to the segments service, with the given metadata added."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    config = settings.home / "bare-envoy.yaml"
    config.write_text(yaml.safe_dump(_config(settings, port, identity)))
    threads = max(1, (os.cpu_count() or 1) // 2)  # as many as the edge has
    options = ["--config-path", str(config), "--concurrency", str(threads), "--log-level", "error"]
    with subprocess.Popen([str(BINARY), *options, "--disable-hot-restart"]) as process:
        try:
            wait_for(lambda: _listens(port))
            yield port
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _config(settings: Settings, port: int, identity: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    headers = [{"header": {"key": key, "value": value}} for key, value in identity]
    transcode = {
        "@type": f"{FILTERS}.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(ROOT / "services/gen/segops.binpb"),
        "services": ["segops.segments.v1.SegmentsService"],
        "print_options": {"always_print_primitive_fields": True, "preserve_proto_field_names": True},
    }
    manager = {
        "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "route_config": {
            "request_headers_to_add": headers,
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "segments"}}],
                }
            ],
        },
        "http_filters": [
            {"name": "transcode", "typed_config": transcode},
            {"name": "router", "typed_config": {"@type": f"{FILTERS}.http.router.v3.Router"}},
        ],
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    pipe = {"address": {"pipe": {"path": settings.address("segments").removeprefix("unix:")}}}
    cluster = {
        "name": "segments",
        "type": "STATIC",
        "typed_extension_protocol_options": HTTP2,
        "load_assignment": {"cluster_name": "segments", "endpoints": [{"lb_endpoints": [{"endpoint": pipe}]}]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
