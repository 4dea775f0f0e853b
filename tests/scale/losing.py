"""What is lost when a part of the backends is killed under load, which must be nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.chaos.load import Book, Load
from tests.chaos.outages import SOON_SECONDS, accepted_more, refused_more
from tests.chaos.platform import stored
from tests.e2e.account import Account
from tests.scale import log_cluster
from tests.scale.platform import Replicated

# Between two requests of a sender: what is tried out is the loss, not the throughput.
PAUSE_SECONDS = 0.2
# The servers of the log notice that their leader is gone and elect another one.
ELECTION_SECONDS = 30.0
# The database answers again: then calls are served.
BACK_SECONDS = 10.0
# All that the event log keeps.
STREAMS = ("EVENTS", "EVENTS_REWRITTEN", "KV_loader", "KV_erased")

Break = Callable[[Replicated, Book], Awaitable[None]]


async def survives(platform: Replicated, account: Account, break_it: Break, *, seed: int = 1) -> str:
    """Breaks something under load: every accepted event is stored once, no refused one is. Tells the numbers."""
    load = Load(platform.urls[0], account.key, seed=seed, pause=PAUSE_SECONDS)
    async with load.running() as book:
        await accepted_more(book, 100)
        await break_it(platform, book)
        await accepted_more(book, 100)
    book.check(await stored(platform.settings, account))
    return book.summary


async def lose_server(platform: Replicated, book: Book, *, leader: bool) -> None:
    """Kills a server of the event log under load, and gives it back when events are accepted again."""
    await log_cluster.current(platform.settings, STREAMS)
    first = await log_cluster.leader(platform.settings)
    name = first if leader else next(name for name in platform.log.servers if name != first)
    server = platform.log.servers[name]
    server.kill()
    assert await longest_pause(book, 200) < ELECTION_SECONDS
    server.launch()
    await log_cluster.current(platform.settings, STREAMS)


async def lose_database(platform: Replicated, book: Book) -> None:
    """Kills the database under load, and starts it again when nothing can be done without it."""
    server = platform.database.server
    server.kill()
    await refused_more(book, 20)
    await asyncio.to_thread(server.start)
    assert await longest_pause(book, 200) < BACK_SECONDS


async def longest_pause(book: Book, events: int) -> float:
    """The longest time in seconds, until so many more events were accepted, in which none was."""
    enough, before = book.accepted + events, book.accepted
    longest, since = 0.0, time.monotonic()
    async with asyncio.timeout(SOON_SECONDS):
        while book.accepted < enough:
            await asyncio.sleep(0.02)
            if book.accepted > before:
                before, since = book.accepted, time.monotonic()
            longest = max(longest, time.monotonic() - since)
    return longest
