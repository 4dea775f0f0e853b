"""One service's process as a test starts, stops and kills it."""

import subprocess
import sys

from services.kit.health import health_of
from services.kit.settings import Settings
from tests.running import WAIT_SECONDS, environment, wait_for


class ServiceProcess:
    """One `python -m services.<name>`."""

    def __init__(self, settings: Settings, name: str, **variables: str) -> None:
        """`variables` are those of its environment beside the settings."""
        self._settings = settings
        self._name = name
        self._variables = variables
        self._output = settings.home / f"{name}.out"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it and returns when it is ready."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"services.{self._name}"],
                env=environment(self._settings) | self._variables,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        address = self._variables.get("SEGOPS_LISTEN") or self._settings.address(self._name)
        wait_for(lambda: health_of(address))

    def kill(self) -> None:
        """Ends it as the kernel does when memory is short."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(WAIT_SECONDS)

    def stop(self) -> int:
        """Asks it to end and answers its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(WAIT_SECONDS)

    def said(self) -> str:
        """What it wrote so far."""
        return self._output.read_text()
