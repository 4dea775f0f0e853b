"""Hearing of changes, and knowing when not, on real PostgreSQL."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from services.kit.listening import Listener
from services.kit.settings import Settings
from tests.running import WAIT_SECONDS

CHANNEL = "test_listening"


class Heard:
    """A listener at work, and what it heard of."""

    def __init__(self, settings: Settings) -> None:
        self.listener = Listener(settings, CHANNEL)
        self.changes: list[str] = []
        self.missed = 0
        self.running = asyncio.create_task(self.listener.run(self.changes.append, self._miss))

    async def until(self, *, current: bool) -> None:
        """Returns when the listener is current, or is not."""
        async with asyncio.timeout(WAIT_SECONDS):
            while self.listener.is_current() != current:
                await asyncio.sleep(0)

    def _miss(self) -> None:
        self.missed += 1


@pytest.fixture
async def heard(settings: Settings) -> AsyncIterator[Heard]:
    heard = Heard(settings)
    await heard.until(current=True)
    yield heard
    heard.running.cancel()
    await asyncio.gather(heard.running, return_exceptions=True)


@pytest.fixture
def database(settings: Settings) -> "Iterator[psycopg.Connection[tuple[object, ...]]]":
    with psycopg.connect(settings.libpq_dsn, autocommit=True) as connection:
        yield connection


def listening_pid(database: "psycopg.Connection[tuple[object, ...]]") -> int:
    query = "SELECT pid FROM pg_stat_activity WHERE query = %s"
    (row,) = database.execute(query, [f"LISTEN {CHANNEL}"]).fetchall()
    return int(str(row[0]))


@contextmanager
def hanging(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_change_is_heard_of_at_once_and_once(
    heard: Heard, database: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    for number in range(100):
        database.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(number)])
        async with asyncio.timeout(WAIT_SECONDS):
            while len(heard.changes) <= number:
                await asyncio.sleep(0)
    assert heard.changes == [str(number) for number in range(100)]


async def test_while_the_other_side_hangs_nothing_counts_as_heard_and_then_all_is_told_before_it_does(
    heard: Heard, database: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    with hanging(listening_pid(database)):
        await heard.until(current=False)
        assert heard.listener.is_connected()
        database.execute("SELECT pg_notify(%s, 'meanwhile')", [CHANNEL])
        assert heard.changes == []
    await heard.until(current=True)
    assert heard.changes == ["meanwhile"]


async def test_a_connection_that_ends_is_not_trusted_until_there_is_another(
    heard: Heard, database: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    database.execute("SELECT pg_terminate_backend(%s)", [listening_pid(database)])
    await heard.until(current=False)
    assert heard.missed == 1
    await heard.until(current=True)
    assert heard.missed == 2
    database.execute("SELECT pg_notify(%s, 'after')", [CHANNEL])
    async with asyncio.timeout(WAIT_SECONDS):
        while heard.changes != ["after"]:
            await asyncio.sleep(0)
