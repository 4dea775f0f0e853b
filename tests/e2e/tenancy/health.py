"""Whether a platform is as well as before: its processes, their memory and their logs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from tests.running import Running, alive

# What a service says of what it did not expect.
UNEXPECTED = ("unexpected failure", "Traceback")


@dataclass(frozen=True, kw_only=True)
class Health:
    """A platform at one moment: the processes its supervisor started, and where their logs end."""

    platform: Running
    programs: list[psutil.Process]
    memory: dict[int, int]
    ends: dict[Path, int]

    @classmethod
    def of(cls, platform: Running) -> Self:
        """As it is now."""
        programs = psutil.Process(platform.process.pid).children()
        return cls(
            platform=platform,
            programs=programs,
            memory={program.pid: program.memory_info().rss for program in programs},
            ends={log: log.stat().st_size for log in _logs(platform)},
        )

    def gone(self) -> list[psutil.Process]:
        """Processes that run no more."""
        return [program for program in self.programs if program not in alive(self.programs)]

    def grown(self) -> dict[str, float]:
        """By how many MiB each process has grown, by its command."""
        return {
            " ".join(program.cmdline()[-2:]): (program.memory_info().rss - self.memory[program.pid]) / 2**20
            for program in alive(self.programs)
        }

    def unexpected(self) -> list[str]:
        """Lines that were logged since, of what should not have happened."""
        lines = []
        for log in _logs(self.platform):
            with log.open(errors="replace") as file:
                # A log that grew too long began anew.
                file.seek(min(self.ends.get(log, 0), log.stat().st_size))
                lines += [f"{log.stem}: {line}" for line in file if any(word in line for word in UNEXPECTED)]
        return lines


def _logs(platform: Running) -> list[Path]:
    return list((platform.settings.home / "log").glob("*.log"))
