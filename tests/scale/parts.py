"""One process of a platform as a test starts, replaces and kills it."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.running import WAIT_SECONDS, wait_for

# A cold start on two cores that are busy with other tests.
START_SECONDS = 90.0


class Part:
    """A command that runs."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        ready: Callable[[], object],
        output: Path,
        variables: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        """`ready` says whether it serves; `options` are those of Popen, such as a user."""
        self._command = command
        self._ready = ready
        self._output = output
        self._environment = os.environ | dict(variables or {})
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        """Starts it."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                **self._options,
            )

    def is_ready(self) -> bool:
        """Whether it serves. Fails the test when it has ended, which is not the same as taking its time."""
        assert self.is_alive(), self.said()[-2000:]
        return bool(self._ready())

    def await_ready(self) -> None:
        """Returns when it serves."""
        wait_for(self.is_ready, START_SECONDS)

    def start(self) -> None:
        """Starts it and returns when it serves."""
        self.launch()
        self.await_ready()

    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Ends it and whatever it started, as when the machine is gone."""
        if self.is_alive():
            children = psutil.Process(self.pid).children(recursive=True)
            self._end(signal.SIGKILL)
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            psutil.wait_procs(children, WAIT_SECONDS)

    def stop(self) -> None:
        """Asks it to end and returns when it has."""
        self._end(signal.SIGTERM)

    def said(self) -> str:
        """What it wrote so far."""
        return self._output.read_text()

    def _end(self, signum: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signum)
            self._process.wait(WAIT_SECONDS)
