"""`GET /metrics` for Prometheus, on a thread of its own beside the event loop."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from socketserver import BaseServer, TCPServer, ThreadingMixIn, UnixStreamServer

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import MetricsHandler
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.kit.addresses import host_and_port
from services.kit.metrics import INFO

log = logging.getLogger("metrics")

# Whoever connects and asks for nothing does not keep a thread for longer.
IDLE_SECONDS = 5.0


class OfProcess(Collector):
    """All metrics of this process, each with its name: however it was found, a sample says whose it is.

    Without the times at which they began, which double the number of series.
    """

    def __init__(self, process: str) -> None:
        self._label = {"process": process}

    def collect(self) -> Iterator[Metric]:
        for metric in REGISTRY.collect():
            metric.samples = [
                sample._replace(labels={**self._label, **sample.labels})
                for sample in metric.samples
                if not sample.name.endswith("_created")
            ]
            yield metric


class Handler(MetricsHandler):
    """Answers Prometheus."""

    timeout = IDLE_SECONDS


class _Tcp(ThreadingMixIn, TCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Tcp6(_Tcp):
    address_family = socket.AF_INET6


class _Unix(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


def serve(process: str, address: str) -> None:
    """Serves the metrics of this process at `unix:/path` or `host:port` until it ends.

    Where that cannot be listened at, the log says so and the process does its work without.
    """
    INFO.labels(version("segops-platform")).set(1)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OfProcess(process))
    try:
        server = _listen(address, Handler.factory(registry))
    except (OSError, ValueError) as error:
        log.error("no metrics can be served at %s: %s", address, error)
        return
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def _listen(address: str, handler: type) -> BaseServer:
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        with suppress(FileNotFoundError):
            path.unlink()  # left by a process that was killed
        return _Unix(str(path), handler)
    host, port = host_and_port(address)
    kind = _Tcp6 if ":" in host else _Tcp
    return kind((host, port), handler)
