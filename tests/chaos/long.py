"""More kills at new moments, and longer outages: `make chaos`."""

import secrets
from pathlib import Path

import pytest

from tests.chaos.kills import survive
from tests.chaos.outages import without_log, without_warehouse
from tests.chaos.platform import running_platform

ROUNDS = 6


async def test_accepted_events_are_stored_once_and_refused_ones_never(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = secrets.randbelow(1_000_000)
    with capsys.disabled():
        print(f"\nseed {seed}")
    with running_platform(tmp_path / "data") as running:
        told = await survive(running, seed=seed, rounds=ROUNDS)
    with capsys.disabled():
        print(told)


async def test_events_are_accepted_while_the_warehouse_is_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = await without_warehouse(tmp_path / "data", seconds=120)
    with capsys.disabled():
        print(f"\n{told}")


async def test_events_are_refused_while_the_log_is_away_and_taken_when_it_is_back(tmp_path: Path) -> None:
    await without_log(tmp_path / "data")
