"""Runs the programs under supervisord, in this process and in the foreground."""

import os
import signal
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

from deploy.local.console import Console
from deploy.local.orphans import die_with_parent
from deploy.local.programs import STOP_SECONDS, Program
from services.kit.settings import Settings

ROOT = Path(__file__).parents[2]
# How long the supervisor may sleep between looks at its processes; bounds the delay of a restart and of each stage.
POLL_SECONDS = 0.2
# supervisord waits 1, 2, 3, ... s between attempts that fail at once: a week of them.
ATTEMPTS = 1_000
MIB = 1024 * 1024


class Options(ServerOptions):
    """supervisord's own options, with four habits of a foreground program."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._pid = os.getpid()
        poll = self.poller.poll
        self.poller.poll = lambda timeout: poll(min(timeout, POLL_SECONDS))

    def setsignals(self) -> None:
        """A closed terminal stops the platform instead of restarting it; the console hears of every change."""
        super().setsignals()
        signal.signal(signal.SIGHUP, lambda _, frame: self.signal_receiver.receive(signal.SIGTERM, frame))
        self._console.listen()

    def execve(self, filename: str, argv: list[str], env: dict[str, str]) -> None:
        """Starts the program in the forked child, which dies with the supervisor even when that one is killed."""
        die_with_parent(signal.SIGKILL, self._pid)
        os.execve(filename, argv, env)


def supervise(settings: Settings, programs: list[Program], console: Console) -> None:
    """Runs the programs until SIGINT, SIGTERM or SIGHUP, then stops them stage by stage."""
    # The configuration's paths are relative: supervisord would take a percent sign in one for an expansion.
    os.chdir(settings.home)
    config = Path("supervisor.conf")
    config.write_text(render(settings, programs))
    options = Options(console)
    options.realize(["--configuration", str(config), "--nodaemon", "--silent"])
    options.first, options.test = True, False
    try:
        Supervisor(options).main()
    except ExitNow:
        pass
    finally:
        options.close_logger()


def render(settings: Settings, programs: Iterable[Program]) -> str:
    """The supervisor's configuration; programs of one stage form a group, which starts and stops together."""
    sections = [
        "[supervisord]",
        "logfile=log/supervisor.log",
        f"logfile_maxbytes={settings.log_file_mib * MIB}",
        f"logfile_backups={settings.log_files}",
        "pidfile=supervisor.pid",
        "childlogdir=log",
    ]
    for stage, members in groupby(sorted(programs, key=lambda program: program.stage), lambda program: program.stage):
        group = list(members)
        sections += [
            f"[group:{stage.name.lower()}]",
            f"programs={','.join(program.name for program in group)}",
            f"priority={stage.value}",
        ]
        for program in group:
            sections += _section(settings, program)
    return "\n".join(sections) + "\n"


def _section(settings: Settings, program: Program) -> list[str]:
    command = " ".join(f'"{_escape(word)}"' for word in program.command)
    return [
        f"[program:{program.name}]",
        f"command={command}",
        f"directory={_escape(str(ROOT))}",
        f"autorestart={'unexpected' if program.one_shot else 'true'}",
        f"startsecs={0 if program.one_shot else 1}",
        f"startretries={ATTEMPTS}",
        f"stopsignal={program.stop_signal}",
        f"stopwaitsecs={STOP_SECONDS[program.stage]}",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile=log/{program.name}.log",
        f"stdout_logfile_maxbytes={settings.log_file_mib * MIB}",
        f"stdout_logfile_backups={settings.log_files}",
    ]


def _escape(word: str) -> str:
    return word.replace("%", "%%")
