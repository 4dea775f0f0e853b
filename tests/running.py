"""A platform of chosen programs on a directory and ports of its own, as a test starts and ends it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
import psycopg

from services.kit.settings import Settings

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.05

T = TypeVar("T")


def wait_for(condition: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
    """The first true value of `condition`; fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(POLL_SECONDS)
    return value


def is_ready(url: str) -> bool:
    """Whether the edge there answers, and all services behind it are ready."""
    try:
        return httpx.get(f"{url}/readyz", verify=False).status_code == 200
    except httpx.TransportError:
        return False


def free_port_pair() -> int:
    """A port that is free together with the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


class Running:
    """One `python -m deploy.local run` with some of the programs."""

    def __init__(
        self,
        home: Path,
        *programs: str,
        port: int = 0,
        wrapper: tuple[str, ...] = (),
        address_limit: int = 10_000,
        stranger_limit: int = 1_000_000,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """The limits are the edge's, of one client address: requests per second, and per minute without credentials.

        `variables` are those of its environment beside the settings.
        """
        self.settings = Settings(
            data_dir=home,
            edge_port=port or free_port_pair(),
            edge_requests_per_second=address_limit,
            stranger_requests_per_minute=stranger_limit,
        )
        home.parent.mkdir(parents=True, exist_ok=True)
        self.output = home.parent / f"{home.name}.out"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [*wrapper, sys.executable, "-m", "deploy.local", "run", "--only", *programs],
                env=environment(self.settings) | dict(variables or {}),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        """What the operator read so far."""
        return self.output.read_text()

    def family(self) -> list[psutil.Process]:
        """The started process and everything below it."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def find(self, name: str) -> psutil.Process | None:
        """The topmost process below the supervisor whose program is called `name`."""
        for process in self.family():
            with suppress(psutil.NoSuchProcess):
                if process.name() == name:
                    return process
        return None

    def await_backends(self) -> None:
        """Returns when PostgreSQL and the event log accept connections."""
        wait_for(self.database)
        wait_for(self.event_log_listens)

    def database(self) -> "psycopg.Connection[tuple[object, ...]] | None":
        """A connection to the platform's database, None while there is none to be had."""
        try:
            return psycopg.connect(self.settings.libpq_dsn, autocommit=True)
        except psycopg.OperationalError:
            return None

    def event_log_listens(self) -> bool:
        """Whether the event log's port answers."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.settings.nats_port)) == 0

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal and returns the exit status."""
        self.process.send_signal(signum)
        return self.process.wait(WAIT_SECONDS)


def environment(settings: Settings) -> dict[str, str]:
    """The variables that make another process read the same settings."""
    return os.environ | {
        "SEGOPS_DATA_DIR": str(settings.home),
        "SEGOPS_EDGE_PORT": str(settings.edge_port),
        "SEGOPS_EDGE_REQUESTS_PER_SECOND": str(settings.edge_requests_per_second),
        "SEGOPS_STRANGER_REQUESTS_PER_MINUTE": str(settings.stranger_requests_per_minute),
        # Every other test registers somebody.
        "SEGOPS_IDENTITY_PASSWORD_MEMORY_MIB": "19",
    }


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one that ended and waits for its parent to notice does not."""
    return [process for process in processes if _is_alive(process)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
