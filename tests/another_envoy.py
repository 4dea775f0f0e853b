"""An Envoy beside the edge's, before the same services, whose configuration differs where a test wants it to."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from deploy.local.envoy import BINARY
from edge.render import render
from services.kit.settings import Settings
from tests.running import wait_for

Config = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class AnotherEnvoy:
    """One that runs."""

    port: int
    admin: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def is_alive(self) -> bool:
        """Whether it is the process that was started, still."""
        return self.process.poll() is None

    def stat(self, name: str) -> int:
        """One of Envoy's own numbers."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.admin), verify=False)) as operator:
            told = operator.get("http://envoy/stats", params={"filter": f"^{name}$", "format": "json"})
        return int(told.json()["stats"][0]["value"])


@contextmanager
def another_envoy(settings: Settings, edit: Callable[[Config], object]) -> Iterator[AnotherEnvoy]:
    """An Envoy of a platform's configuration as `edit` changes it, until the end of the block."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    path, admin = settings.home / f"envoy-{port}.yaml", settings.run_dir / f"envoy-{port}.sock"
    own = {"edge_port": port, "metrics_listen": f"unix:{settings.run_dir / f'envoy-{port}-m.sock'}"}
    render(settings.model_copy(update=own), path)
    config = yaml.safe_load(path.read_text())
    config["admin"]["address"]["pipe"]["path"] = str(admin)
    edit(config)
    path.write_text(yaml.safe_dump(config))
    threads = max(1, (os.cpu_count() or 1) // 2)  # as many as the edge has
    options = ["--config-path", str(path), "--concurrency", str(threads), "--log-level", "error"]
    with (
        path.with_suffix(".log").open("w") as log,
        subprocess.Popen([str(BINARY), *options, "--disable-hot-restart"], stdout=log) as process,
    ):
        try:
            wait_for(lambda: _listens(port))
            yield AnotherEnvoy(port=port, admin=admin, process=process)
        finally:
            process.terminate()


def connection_manager(config: Config) -> Config:
    """The part about HTTP."""
    manager: Config = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return manager


def routes(config: Config) -> list[Config]:
    """Where which path leads, in their order."""
    found: list[Config] = connection_manager(config)["route_config"]["virtual_hosts"][0]["routes"]
    return found


def breakers(config: Config, cluster: str) -> dict[str, Config]:
    """How much a service is asked at a time, by priority."""
    [found] = [item for item in config["static_resources"]["clusters"] if item["name"] == cluster]
    return {limits.get("priority", "DEFAULT"): limits for limits in found["circuit_breakers"]["thresholds"]}


def resource(config: Config, name: str) -> Config:
    """The limit of what Envoy itself may take of something."""
    monitors = config["overload_manager"]["resource_monitors"]
    found: list[Config] = [
        item["typed_config"] for item in monitors if item["name"] == f"envoy.resource_monitors.{name}"
    ]
    return found[0]


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
