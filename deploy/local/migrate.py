"""Brings the database's schema up to date."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

from deploy.local.orphans import die_with_parent

RETRY_SECONDS = 5


def main() -> None:
    """Migrates until it has worked. The command itself waits for the database.

    It is a child and not this process itself, so that a failure is not repeated without a pause.
    """
    tie = partial(die_with_parent, signal.SIGKILL, os.getpid())
    command = [sys.executable, "-m", "cli", "migrate"]
    while subprocess.run(command, check=False, preexec_fn=tie).returncode != 0:
        time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    main()
