"""The processes of one platform, and in which order they stop."""

import sys
from dataclasses import dataclass
from enum import IntEnum

from services.kit.settings import Settings

SERVICES = ("warehouse", "identity", "ingestion", "segments", "connectors", "profiles")


class Stage(IntEnum):
    """Stages stop from the last to the first, each after the one before has ended."""

    BACKENDS = 1
    SERVICES = 2
    EDGE = 3


# How long a process may take to stop before it is killed. The sum stays below 10 s, the promise to the operator.
STOP_SECONDS = {Stage.EDGE: 2, Stage.SERVICES: 3, Stage.BACKENDS: 3}


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process: a Python module, run as `python -m module arguments`."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    stage: Stage
    stop_signal: str = "TERM"
    one_shot: bool = False

    @property
    def command(self) -> tuple[str, ...]:
        """The argument vector."""
        return (sys.executable, "-m", self.module, *self.arguments)


def build_programs(settings: Settings) -> list[Program]:
    """All programs of the platform; a backend that was replaced by a URL is not among them."""
    programs = []
    if not settings.database_url:
        programs.append(
            Program(name="postgres", module="deploy.local.postgres", stage=Stage.BACKENDS, stop_signal="INT")
        )
    if not settings.nats_url:
        programs.append(Program(name="nats", module="deploy.local.nats", stage=Stage.BACKENDS))
    programs.append(Program(name="migrate", module="deploy.local.migrate", stage=Stage.SERVICES, one_shot=True))
    programs.extend(Program(name=name, module=f"services.{name}", stage=Stage.SERVICES) for name in SERVICES)
    programs.append(Program(name="authz", module="edge", stage=Stage.EDGE))
    programs.append(Program(name="envoy", module="deploy.local.envoy", stage=Stage.EDGE))
    return programs
