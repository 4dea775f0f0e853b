"""What is added to Envoy's configuration to watch it: a listener for Prometheus, and spans of all requests."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from edge.envoy_addresses import envoy_address
from services.kit.settings import Settings

CONNECTION_MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
MUTATION = "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
OPENTELEMETRY = "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig"
UUIDS = "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
STATISTICS, TRACES = "statistics", "traces"

# Whom a request names, and what its query may hold that is secret, is not for traces: these tags stay empty.
NAMELESS_TAGS = ("http.url", "peer.address", "user_agent", "grpc.message")


def observe(config: dict[str, Any], settings: Settings) -> None:
    """Adds the listener, and the tracer when the settings have an endpoint. The others keep what they have."""
    resources = config["static_resources"]
    if settings.otlp_endpoint:
        for listener in resources["listeners"]:
            for chain in listener["filter_chains"]:
                _trace(chain["filters"][0]["typed_config"], settings.trace_percent)
        resources["clusters"].append(_collector(settings.otlp_endpoint))
    resources["listeners"].append(_metrics(settings.metrics_address("envoy")))
    resources["clusters"].append(_cluster(STATISTICS, config["admin"]["address"]))


def _metrics(address: str) -> dict[str, Any]:
    """`/metrics`, and nothing else of what the administration can do."""
    routes = [{"match": {"path": "/metrics"}, "route": {"cluster": STATISTICS, "prefix_rewrite": "/stats/prometheus"}}]
    manager = {
        "@type": CONNECTION_MANAGER,
        "stat_prefix": "metrics",
        "route_config": {"virtual_hosts": [{"name": "metrics", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
    }
    return {
        "name": "metrics",
        "address": envoy_address(address),
        # It is looked at when there is too much to do.
        "bypass_overload_manager": True,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _trace(manager: dict[str, Any], percent: float) -> None:
    manager["tracing"] = {
        "provider": {
            "name": "opentelemetry",
            "typed_config": {
                "@type": OPENTELEMETRY,
                "grpc_service": {"envoy_grpc": {"cluster_name": TRACES}, "timeout": "1s"},
                "service_name": "envoy",
            },
        },
        "random_sampling": {"value": percent},
        "spawn_upstream_span": True,
        "custom_tags": [{"tag": tag, "literal": {"value": "-"}} for tag in NAMELESS_TAGS],
    }
    # Of clients' own ids, which need be no UUIDs, none is changed, and none decides whether a request is traced.
    manager["request_id_extension"] = {
        "typed_config": {"@type": UUIDS, "pack_trace_reason": False, "use_request_id_for_trace_sampling": False}
    }
    # Else strangers choose which of their requests are traced, and whose trace they are in.
    theirs = [{"remove": "traceparent"}, {"remove": "tracestate"}]
    manager["early_header_mutation_extensions"].append(
        {"name": "drop_trace", "typed_config": {"@type": MUTATION, "mutations": theirs}}
    )


def _collector(endpoint: str) -> dict[str, Any]:
    url = urlsplit(endpoint)
    cluster = _cluster(TRACES, envoy_address(f"{url.hostname}:{url.port or 4317}"))
    cluster["typed_extension_protocol_options"] = {
        HTTP_OPTIONS: {
            "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    if url.scheme == "https":
        context = {
            "@type": TLS,
            "sni": url.hostname,
            "common_tls_context": {
                "validation_context": {"trusted_ca": {"filename": "/etc/ssl/certs/ca-certificates.crt"}}
            },
        }
        cluster["transport_socket"] = {"name": "tls", "typed_config": context}
    return cluster


def _cluster(name: str, address: Mapping[str, Any]) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": address}}
    return {
        "name": name,
        "type": "STATIC" if "pipe" in address else "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
