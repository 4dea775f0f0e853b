"""The platform on this machine: `python -m deploy.local run`, `up` or `down`."""

import argparse
import os
import signal
import sys

from pydantic import ValidationError

from deploy.local.background import down, up
from deploy.local.claim import NotStarted, check_ports, claim
from deploy.local.console import Console, say
from deploy.local.orphans import die_with_parent
from deploy.local.programs import build_programs
from deploy.local.supervise import supervise
from services.kit.settings import Settings

# Services drain within their stage's time; see programs.STOP_SECONDS.
DRAIN_SECONDS = "2"


def run(settings: Settings, only: list[str]) -> None:
    """Runs the platform, or only the named programs, in the foreground until it is told to stop."""
    programs = build_programs(settings)
    if unknown := set(only) - {program.name for program in programs}:
        raise NotStarted(f"No such program: {', '.join(sorted(unknown))}.")
    programs = [program for program in programs if not only or program.name in only]
    with claim(settings):
        check_ports(settings, [program.name for program in programs])
        os.environ["SEGOPS_DATA_DIR"] = str(settings.home)
        os.environ.setdefault("SEGOPS_DRAIN_SECONDS", DRAIN_SECONDS)
        supervise(settings, programs, Console(settings, programs))
    say("Stopped.")


def main() -> None:
    """Parses the command line and runs the command; a failure is one line and exit status 1."""
    parent = os.getppid()
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("command", choices=["run", "up", "down"])
    parser.add_argument("--only", nargs="+", default=[], metavar="PROGRAM", help="run: only these programs")
    parser.add_argument("--with-parent", action="store_true", help="run: stop when the calling process ends")
    arguments = parser.parse_args()
    try:
        settings = Settings()
        if arguments.command == "run":
            if arguments.with_parent:
                die_with_parent(signal.SIGTERM, parent)
            run(settings, arguments.only)
        elif arguments.command == "up":
            up(settings)
        else:
            down(settings)
    except NotStarted as failure:
        sys.exit(str(failure))
    except ValidationError as failure:
        sys.exit("\n".join(f"SEGOPS_{str(e['loc'][0]).upper()}: {e['msg']}" for e in failure.errors()))


if __name__ == "__main__":
    main()
