"""Processes are killed one after the other, in the midst of what they do."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import psutil

from tests.chaos.load import Book, Load
from tests.chaos.platform import process, sending_account, stored, url
from tests.running import Running

RECOVERY_SECONDS = 60.0
PROCESSES = ("ingestion", "warehouse", "nats", "envoy", "postgres", "authz", "identity")


async def survive(running: Running, *, seed: int, rounds: int) -> str:
    """Kills every process once a round under load, checks what became of each event, and tells the numbers."""
    chance = random.Random(seed)
    victims = [name for _ in range(rounds) for name in chance.sample(PROCESSES, len(PROCESSES))]
    with sending_account(running) as account:
        load = Load(url(running), account.key, seed=seed)
        async with load.running() as book:
            await _kill(running, victims, book, chance)
        found = await stored(running.settings, account)
    book.check(found)
    return f"seed {seed}: kills {dict(Counter(victims))}, {book.summary}, stored {found.total()}"


async def _kill(running: Running, victims: Sequence[str], book: Book, chance: random.Random) -> None:
    for name in victims:
        # The moment is what is tried out, not something that is waited for.
        await asyncio.sleep(chance.uniform(0, 1))
        victim = await asyncio.to_thread(process, running, name)
        victim.kill()
        if chance.random() < 0.75:
            await _recovered(running, name, victim, book)
        # Else the next one dies while this one is not back yet.


async def _recovered(running: Running, name: str, victim: psutil.Process, book: Book) -> None:
    """Returns when another process took its place, and events have been accepted since."""
    before = book.accepted
    async with asyncio.timeout(RECOVERY_SECONDS):
        while await asyncio.to_thread(process, running, name) == victim or book.accepted == before:
            await asyncio.sleep(0.05)
