"""Platforms that end with their test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.running import Running


class Start(Protocol):
    """Starts a platform with the named programs; `home` is a directory below the test's own."""

    def __call__(self, *programs: str, home: str = "data", port: int = 0, wrapper: tuple[str, ...] = ()) -> Running: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Running] = []

    def start_one(*programs: str, home: str = "data", port: int = 0, wrapper: tuple[str, ...] = ()) -> Running:
        started.append(Running(tmp_path / home, *programs, port=port, wrapper=wrapper))
        return started[-1]

    yield start_one
    for running in started:
        if running.process.poll() is None:
            running.stop()
