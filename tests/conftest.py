"""How the tests are shared out among workers: what has a platform in common goes to one of them, all else by file."""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# A second platform of a package would cost more than it saves.
PLATFORMS = ("tests/docs/", "tests/e2e/", "tests/scale/")


class ByPlatform(LoadFileScheduling):
    """Gives a worker all files below one of `PLATFORMS`, or another file."""

    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in PLATFORMS if nodeid.startswith(place)), super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPlatform:
    """For `--dist loadfile`."""
    return ByPlatform(config, log)
