"""Starts and stops the platform in the background."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from deploy.local.claim import NotStarted, check_ports, claim, holder
from deploy.local.console import READY_SECONDS, say
from deploy.local.edge import edge_url, is_ready
from deploy.local.programs import build_programs
from services.kit.settings import Settings

POLL_SECONDS = 0.1
# The supervisor explains itself at READY_SECONDS; this lets its explanation arrive.
START_SECONDS = READY_SECONDS + 2
STOP_SECONDS = 15


def up(settings: Settings) -> None:
    """Starts the platform unless it runs already, and returns when it is ready; otherwise raises NotStarted.

    A platform that is not ready in time is left running, since it goes on trying.
    """
    running = holder(settings) is not None
    output = settings.home / "log" / "platform.log"
    supervisor = None
    if not running:
        # Found out here, a busy port or directory is the command's own error instead of a line in a log.
        with claim(settings):
            check_ports(settings, [program.name for program in build_programs(settings)])
        with output.open("w") as log:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "deploy.local", "run"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    _await_ready(settings, output, supervisor)
    say(f"The platform runs {'already' if running else 'in the background'}: {edge_url(settings)}")


def down(settings: Settings) -> None:
    """Stops the platform that runs on the data directory and waits for its end."""
    pid = holder(settings)
    if pid is None:
        say(f"No platform runs on {settings.home}.")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while holder(settings) == pid:
        if time.monotonic() > deadline:
            raise NotStarted(f"The platform (process {pid}) did not stop within {STOP_SECONDS} s.")
        time.sleep(POLL_SECONDS)
    say("Stopped.")


def _await_ready(settings: Settings, output: Path, supervisor: "subprocess.Popen[bytes] | None") -> None:
    """Repeats what a supervisor that was just started says, until the platform is ready."""
    deadline = time.monotonic() + START_SECONDS
    with (output if supervisor else Path(os.devnull)).open() as said:
        while True:
            ready = is_ready(settings)
            ended = supervisor is not None and supervisor.poll() is not None
            print(said.read(), end="", flush=True)
            if ready:
                return
            if ended:
                raise NotStarted("The platform ended while it was starting.")
            if time.monotonic() > deadline:
                raise NotStarted(f"The platform is not ready, see {output.parent}. 'make down' stops it.")
            time.sleep(POLL_SECONDS)
