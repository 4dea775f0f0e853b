"""A whole platform for one part of the benchmark, on a fresh directory and free ports, as `make run` starts it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from deploy.local.programs import build_programs
from services.kit.caller import IDENTITY_HEADER, Caller, mint
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.settings import Settings
from tests.running import Running, is_ready, wait_for

START_SECONDS = 120.0
IDENTITY_SECONDS = 3600


@contextmanager
def started(home: Path) -> Iterator[Running]:
    """A platform that is ready, until the end of the block."""
    running = Running(home, *(program.name for program in build_programs(Settings(data_dir=home))))
    try:
        wait_for(partial(is_ready, edge_url(running)), START_SECONDS)
        yield running
    finally:
        running.stop()


def edge_url(running: Running) -> str:
    """Where the platform's edge listens."""
    return f"http://127.0.0.1:{running.settings.edge_port}"


def identity(settings: Settings, tenant_id: int) -> tuple[tuple[str, str], ...]:
    """Metadata with a signed identity of a service in a tenant, for calls behind the edge."""
    caller = Caller(kind="service", tenant_id=tenant_id, service="bench")
    return ((IDENTITY_HEADER, mint(caller, private_key(settings, INTERNAL_KEY), seconds=IDENTITY_SECONDS)),)
