"""segopsctl as an operator runs it."""

import subprocess
import sys

from tests.running import Running, environment


def segopsctl(
    platform: Running, *arguments: str, password: str = "", typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs segopsctl against the platform, with `typed` on its standard input."""
    with started(platform, *arguments, password=password) as process:
        out, err = process.communicate(typed)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def started(platform: Running, *arguments: str, password: str = "") -> "subprocess.Popen[str]":
    """The same, while it runs."""
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments],
        env=environment(platform.settings) | {"SEGOPS_PASSWORD": password},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
