"""Whatever process is killed at whatever moment, 202 and 503 mean what the contract says."""

from pathlib import Path

from tests.chaos.kills import survive
from tests.chaos.platform import running_platform

SEED = 1


async def test_accepted_events_are_stored_once_and_refused_ones_never(tmp_path: Path) -> None:
    with running_platform(tmp_path / "data") as running:
        print(await survive(running, seed=SEED, rounds=1))
