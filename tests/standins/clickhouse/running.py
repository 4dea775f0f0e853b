"""The stand-in as a process of a test's."""

import http.client
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from tests.running import free_port_pair, wait_for

USER, PASSWORD, DATABASE = "segops", "p@ss/w:ord?", "segops"


class ClickHouse:
    """A server, or with the name of a cluster its shards, on a directory of its own; it may be ended and started."""

    def __init__(self, directory: Path, cluster: str = "") -> None:
        self.cluster = cluster
        self.port = free_port_pair()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """The DSN."""
        return f"clickhouse://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Returns when it answers."""
        options = ["--password", PASSWORD, *(["--cluster", self.cluster] if self.cluster else [])]
        module = "tests.standins.clickhouse"
        self._process = subprocess.Popen([sys.executable, "-m", module, str(self._directory), str(self.port), *options])
        wait_for(self._answers)

    def end(self) -> None:
        """Kills it."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def mischief(self, **asked: str) -> None:
        """See `tests.standins.clickhouse`."""
        wanted = "&".join(f"{name}={value}" for name, value in asked.items())
        assert self._post(f"/mischief?{wanted}")

    def _answers(self) -> bool:
        try:
            return self._post("/mischief?nothing=1")
        except OSError:
            return False

    def _post(self, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("POST", path)
        done = connection.getresponse().status == http.client.OK
        connection.close()
        return done
