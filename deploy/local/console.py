"""What the operator reads in the terminal: a line when the platform starts, is ready, loses a process, and stops."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from supervisor import events

from deploy.local.edge import edge_url, is_ready
from deploy.local.programs import Program
from services.kit.settings import METERED, Settings

# A cold start takes a few seconds; after this something is wrong and the operator is told what.
READY_SECONDS = 60
READY_POLL_SECONDS = 0.2
TAIL_LINES = 15
# Of a process that fails again and again the operator reads the first attempts, then one of many.
FIRST_ATTEMPTS, TOLD_EVERY = 3, 10


class Console:
    """Prints the platform's state; full logs are in the files it names."""

    def __init__(self, settings: Settings, programs: list[Program]) -> None:
        self._settings = settings
        self._programs = programs
        self._log = settings.home / "log"
        self._deaths: Counter[str] = Counter()
        self._stopping = threading.Event()

    def listen(self) -> None:
        """Hears of the supervisor's processes from now on, and watches for readiness when the edge is among them."""
        names = [program.name for program in self._programs]
        say(f"SegOps starts {', '.join(names)}.")
        say(f"Logs: {self._log}/<process>.log")
        if self._settings.metrics_port:
            say(f"Metrics: {', '.join(f'{name} {self._settings.metrics_address(name)}' for name in METERED)}")
        subscriptions: list[tuple[type, Callable[[Any], None]]] = [
            (events.ProcessStateExitedEvent, self._exited),
            (events.ProcessStateBackoffEvent, self._failed),
            (events.SupervisorStoppingEvent, self._stops),
        ]
        for kind, callback in subscriptions:
            events.subscribe(kind, callback)
        if "envoy" in names:
            threading.Thread(target=self._await_ready, daemon=True).start()

    def _exited(self, event: Any) -> None:
        process = event.process
        if event.expected and self._is_one_shot(process.config.name):
            return
        self._deaths[process.config.name] += 1
        how = "was killed" if process.exitstatus < 0 else f"ended with status {process.exitstatus}"
        self._tell(process.config.name, f"{how}, starting it again")

    def _failed(self, event: Any) -> None:
        name, attempts = event.process.config.name, event.process.backoff
        self._deaths[name] += 1
        if attempts <= FIRST_ATTEMPTS or attempts % TOLD_EVERY == 0:
            # supervisord waits as many seconds as there were attempts in a row.
            self._tell(name, f"ended right after its start, trying again in {attempts} s")

    def _stops(self, _: Any) -> None:
        self._stopping.set()
        say("Stopping.")

    def _tell(self, name: str, what: str) -> None:
        if not self._stopping.is_set():
            say(f"{name} {what}; its log: {self._log}/{name}.log")

    def _is_one_shot(self, name: str) -> bool:
        return any(program.one_shot for program in self._programs if program.name == name)

    def _await_ready(self) -> None:
        begin = time.monotonic()
        warned = False
        while not self._stopping.wait(READY_POLL_SECONDS):
            waited = time.monotonic() - begin
            if is_ready(self._settings):
                say(f"Ready after {waited:.1f} s: {edge_url(self._settings)}")
                return
            if waited > READY_SECONDS and not warned:
                warned = True
                self._explain()

    def _explain(self) -> None:
        say(f"Not ready after {READY_SECONDS} s.")
        for name, times in self._deaths.most_common(1):
            say(f"{name} died {times} times; the end of {self._log}/{name}.log:")
            for line in tail(self._log / f"{name}.log", TAIL_LINES):
                say(f"  {line}")
        if not self._deaths:
            say(f"Every process runs, but {edge_url(self._settings)}/readyz does not answer 200; see {self._log}.")


def say(text: str) -> None:
    """Prints a line for the operator; a terminal that is gone is no reason to fail."""
    with suppress(OSError):
        print(text, flush=True)


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a text file, none when it does not exist."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 16_384))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
