"""A platform on external backends, with two processes of every service and two edges.

Of the warehouse there is one: its embedded engine belongs to one process.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from deploy.local.envoy import BINARY
from edge.render import render
from services.kit.health import health_of
from services.kit.keys import NATS_TOKEN, ensure_secrets, secret
from services.kit.settings import Settings
from services.schema.migrate import migrate
from tests.redis_server import RedisServer
from tests.running import environment, free_port_pair, wait_for
from tests.scale.database import ExternalDatabase
from tests.scale.log_cluster import LogCluster
from tests.scale.parts import START_SECONDS, Part

REPLICATED = ("identity", "ingestion", "segments", "connectors", "profiles", "authz")
# Envoys look once a second whether a replica is ready.
HANDOVER_SECONDS = 2.0


class Replicated:
    """The platform. `parts` has each process by its name, such as `segments-2`; `settings` is what all of it have."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True)
        ensure_secrets(Settings(data_dir=home))
        self.redis = RedisServer()
        self.database = ExternalDatabase(home)
        self.log = LogCluster(home, secret(Settings(data_dir=home), NATS_TOKEN))
        run = Settings(data_dir=home).run_dir
        run.mkdir(mode=0o700, parents=True)
        places = {name: [f"unix:{run / f'{name}-{number}.sock'}" for number in (1, 2)] for name in REPLICATED}
        self.settings = Settings(
            data_dir=home,
            database_url=self.database.url,
            nats_url=",".join(self.log.urls),
            nats_replicas=3,
            ratelimit_url=self.redis.url,
            handover_seconds=HANDOVER_SECONDS,
        ).model_copy(update={f"{name}_address": ",".join(addresses) for name, addresses in places.items()})
        self.parts: dict[str, Part] = {}
        for name, addresses in places.items():
            for number, address in enumerate(addresses, 1):
                self.parts[f"{name}-{number}"] = self._service(f"{name}-{number}", name, address)
        self.parts["warehouse"] = self._service("warehouse", "warehouse", self.settings.address("warehouse"))
        self.edges = {f"envoy-{number}": Edge(self.settings, number) for number in (1, 2)}
        self.parts |= {name: edge.part for name, edge in self.edges.items()}

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the edges listen."""
        return tuple(edge.url for edge in self.edges.values())

    @property
    def replicated(self) -> list[str]:
        """The names of the processes of which there are two, the first of each before the second ones."""
        return [f"{name}-{number}" for number in (1, 2) for name in REPLICATED]

    def start(self) -> None:
        """Starts everything and returns when all of it is ready."""
        self.redis.start()
        for server in (self.database.server, *self.log.servers.values()):
            server.launch()
        self.database.server.await_ready()
        migrate(self.settings)
        for part in self.parts.values():
            part.launch()
        wait_for(lambda: all(part.is_ready() for part in self.parts.values()), START_SECONDS)

    def stop(self) -> None:
        """Ends everything, at once: nothing is left to be kept."""
        for part in (*self.parts.values(), *self.log.servers.values(), self.database.server):
            part.kill()
        self.redis.kill()

    def _service(self, name: str, service: str, address: str) -> Part:
        module = "edge" if service == "authz" else f"services.{service}"
        run = self.settings.run_dir
        variables = variables_of(self.settings) | {
            "SEGOPS_LISTEN": address,
            "SEGOPS_METRICS_LISTEN": f"unix:{run / f'{name}-m.sock'}",
            # Stand-ins for the outside world listen on this machine.
            "SEGOPS_OUTBOUND_ALLOW": "127.0.0.1",
            "SEGOPS_ERASURE_GRACE_SECONDS": "1",
        }
        ready = partial(_is_live if service == "authz" else health_of, address)
        output = self.settings.home / f"{name}.out"
        return Part([sys.executable, "-m", module], ready=ready, output=output, variables=variables)


class Edge:
    """One Envoy of a platform, which is told to leave as its operator would do it."""

    def __init__(self, settings: Settings, number: int) -> None:
        admin, metrics = (settings.run_dir / f"envoy-{number}-{kind}.sock" for kind in ("a", "m"))
        port = free_port_pair()
        own = {"edge_port": port, "edge_admin_listen": f"unix:{admin}", "metrics_listen": f"unix:{metrics}"}
        config = settings.home / f"envoy-{number}.yaml"
        render(settings.model_copy(update=own), config)
        options = ["--config-path", str(config), "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self._admin = admin
        self.part = Part([str(BINARY), *options], ready=self.is_up, output=settings.home / f"envoy-{number}.out")

    def is_up(self) -> bool:
        """What a load balancer before it asks: whether it wants requests."""
        return self._asks("/healthz")

    def is_ready(self) -> bool:
        """Whether every service behind it is ready too."""
        return self._asks("/readyz")

    def say_that_it_leaves(self) -> None:
        """From now on it is not up, and asks whoever still comes to come to another one."""
        self._tell("healthcheck/fail")

    def take_no_more(self) -> None:
        """Takes no new connection from now on; those that are there are served."""
        self._tell("drain_listeners")

    def busy(self) -> int:
        """How many requests are under way."""
        with self._operator() as operator:
            told = operator.get("/stats", params={"filter": "^http.edge.downstream_rq_active$", "format": "json"})
        return int(told.json()["stats"][0]["value"])

    def replicas(self, service: str) -> list[dict[str, Any]]:
        """What it knows of each replica of a service, in the order of their numbers."""
        with self._operator() as operator:
            told = operator.get("/clusters", params={"format": "json"}).json()
        [cluster] = [each for each in told["cluster_statuses"] if each["name"] == service]
        return sorted(cluster["host_statuses"], key=lambda replica: str(replica["address"]))

    def knows_all(self) -> bool:
        """Whether it sends requests to every replica."""
        return all(all(self.healthy(service)) for service in REPLICATED)

    def healthy(self, service: str) -> list[bool]:
        """Which replicas of a service it sends requests to."""
        return [not replica["health_status"].get("failed_active_health_check") for replica in self.replicas(service)]

    def _asks(self, path: str) -> bool:
        try:
            return httpx.get(f"{self.url}{path}", timeout=5, verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def _tell(self, command: str) -> None:
        with self._operator() as operator:
            assert operator.post(f"/{command}").status_code == 200

    def _operator(self) -> httpx.Client:
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self._admin), verify=False), base_url="http://envoy", timeout=5
        )


@contextmanager
def replicated(home: Path) -> Iterator[Replicated]:
    """A platform on a directory, within the block."""
    platform = Replicated(home)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()


def variables_of(settings: Settings) -> dict[str, str]:
    """The variables that make a process read these settings."""
    return environment(settings) | {
        f"SEGOPS_{name.upper()}": str(getattr(settings, name)) for name in settings.model_fields_set
    }


def _is_live(address: str) -> bool:
    transport = httpx.HTTPTransport(uds=address.removeprefix("unix:"), verify=False)
    try:
        with httpx.Client(transport=transport) as neighbour:
            return neighbour.get("http://authz/livez").status_code == 200
    except httpx.TransportError:
        return False
