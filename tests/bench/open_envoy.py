"""The edge's own Envoy without authorization and limits: what those cost is the difference."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.kit.settings import Settings
from tests.another_envoy import Config, another_envoy, connection_manager, routes

LEFT_OUT = ("limit_addresses", "authorize")


@contextmanager
def open_envoy(settings: Settings, identity: tuple[tuple[str, str], ...]) -> Iterator[int]:
    """The port of an Envoy beside the edge's that lets everything through, with the given metadata added."""

    def open_up(config: Config) -> None:
        manager = connection_manager(config)
        manager["http_filters"] = [item for item in manager["http_filters"] if item["name"] not in LEFT_OUT]
        manager["route_config"]["request_headers_to_add"] = [
            {"header": {"key": key, "value": value}} for key, value in identity
        ]
        for route in routes(config):
            for name in LEFT_OUT:
                route.get("typed_per_filter_config", {}).pop(name, None)

    with another_envoy(settings, open_up) as envoy:
        yield envoy.port
