"""A second machine of the edge: an authz process and an Envoy of their own before the same services."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.edge import edge_url, is_ready
from deploy.local.programs import SERVICES
from tests.running import Running, wait_for

# A cold start on two cores that are busy with other tests.
START_SECONDS = 90.0


@contextmanager
def second_edge(platform: Running, home: Path) -> Iterator[str]:
    """Its URL, within the block. It has the platform's secrets and is told where its services are."""
    shutil.copytree(platform.settings.secrets_dir, home / "secrets")
    variables = {f"SEGOPS_{name.upper()}_ADDRESS": platform.settings.address(name) for name in SERVICES}
    variables["SEGOPS_DATABASE_URL"] = platform.settings.libpq_dsn
    running = Running(home, "authz", "envoy", variables=variables)
    try:
        wait_for(lambda: is_ready(running.settings), START_SECONDS)
        yield edge_url(running.settings)
    finally:
        running.stop()
