"""Makes the data directory ready and claims it and the ports, or says in one line what is in the way."""

import fcntl
import os
import socket
import time
from collections.abc import Collection
from pathlib import Path
from typing import TextIO

from services.kit.addresses import host_and_port
from services.kit.keys import ensure_secrets
from services.kit.settings import METERED, Settings

# Another process that only asks who holds the lock holds it for an instant itself.
LOCK_SECONDS = 0.5
POLL_SECONDS = 0.05


class NotStarted(Exception):
    """The platform cannot start; the text tells the operator why and what to do."""


def lock_path(settings: Settings) -> Path:
    """File that a running platform holds locked; it contains the process id of the supervisor."""
    return settings.home / "platform.lock"


def claim(settings: Settings) -> TextIO:
    """Locks the data directory for this process until it ends; raises NotStarted when a platform runs on it."""
    for directory in (settings.home, settings.run_dir, settings.home / "log"):
        _make_private(directory)
    file = lock_path(settings).open("a+")
    deadline = time.monotonic() + LOCK_SECONDS
    while not _lock(file, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            raise NotStarted(
                f"A platform already runs on {settings.home} (process {holder(settings)}). Stop it with 'make down' or "
                "Ctrl-C, or set SEGOPS_DATA_DIR and SEGOPS_EDGE_PORT for a second one."
            )
        time.sleep(POLL_SECONDS)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    # Only a process that was killed leaves its socket behind.
    for leftover in settings.run_dir.glob("*.sock"):
        leftover.unlink()
    ensure_secrets(settings)
    return file


def holder(settings: Settings) -> int | None:
    """Process id of the platform that runs on this data directory, if one does."""
    try:
        with lock_path(settings).open() as file:
            return None if _lock(file, fcntl.LOCK_SH) else int(file.read())
    except (FileNotFoundError, ValueError):  # ValueError: locked this instant, the id is not written yet
        return None


def check_ports(settings: Settings, programs: Collection[str]) -> None:
    """Raises NotStarted, naming the port, when another process listens on one that the programs need."""
    if "envoy" in programs:
        _check(settings.edge_host, settings.edge_port, f"Port {settings.edge_port} is in use")
    if "nats" in programs:
        _check(
            "127.0.0.1",
            settings.nats_port,
            f"Port {settings.nats_port} (the event log's, always one above the edge's) is in use",
        )
    for name in METERED if settings.metrics_port else ():
        if name in programs:
            host, port = host_and_port(settings.metrics_address(name))
            _check(host, port, f"Port {port} (metrics of {name}) is in use", "SEGOPS_METRICS_PORT")


def _lock(file: TextIO, mode: int) -> bool:
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _check(host: str, port: int, complaint: str, setting: str = "SEGOPS_EDGE_PORT") -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        # A listener still counts as one; connections of an earlier run that linger in TIME_WAIT do not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as failure:
            raise NotStarted(
                f"{complaint} or not available ({failure.strerror}). Choose another one: {setting}=<port>."
            ) from None


def _make_private(directory: Path) -> None:
    """Makes a directory for its owner only. A short run directory has a guessable name: another's is refused."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
        raise NotStarted(f"{directory} belongs to another user. Set SEGOPS_DATA_DIR to a directory of your own.")
