"""A part is away for some time under load."""

import asyncio
import signal
import time
from pathlib import Path

from tests.chaos.load import Book, Load
from tests.chaos.platform import process, running_platform, sending_account, stored, url
from tests.integration.ingestion.conftest import Log
from tests.integration.process import ServiceProcess
from tests.running import wait_for

SOON_SECONDS = 60.0


async def accepted_more(book: Book, events: int) -> None:
    """Returns when so many more events were accepted."""
    enough = book.accepted + events
    async with asyncio.timeout(SOON_SECONDS):
        while book.accepted < enough:
            await asyncio.sleep(0.02)


async def refused_more(book: Book, requests: int) -> None:
    """Returns when so many more requests were refused."""
    enough = book.answers[503] + requests
    async with asyncio.timeout(SOON_SECONDS):
        while book.answers[503] < enough:
            await asyncio.sleep(0.02)


async def without_warehouse(home: Path, seconds: float) -> str:
    """Nobody notices that the warehouse is away, and afterwards it has everything once. Tells the numbers."""
    with running_platform(home, without="warehouse") as running:
        wait_for(running.database)
        warehouse = ServiceProcess(running.settings, "warehouse")
        warehouse.start()
        try:
            with sending_account(running) as account:
                load = Load(url(running), account.key, seed=1)
                async with load.running() as book:
                    await accepted_more(book, 500)
                    warehouse.kill()
                    ends = time.monotonic() + seconds
                    while time.monotonic() < ends:
                        await accepted_more(book, 100)
                    await asyncio.to_thread(warehouse.start)
                    await accepted_more(book, 500)
                found = await stored(running.settings, account)
        finally:
            warehouse.kill()
    book.check(found)
    assert set(book.answers) == {202}
    return f"warehouse away for {seconds} s: {book.summary}, stored {found.total()}"


async def without_log(home: Path) -> None:
    """Events are refused while the log is away, and taken when it is back; the ingestion service stays the same."""
    with running_platform(home, without="nats") as running:
        wait_for(running.database)
        log = Log(running)
        log.start()
        try:
            with sending_account(running) as account:
                ingestion = process(running, "ingestion")
                load = Load(url(running), account.key, seed=2)
                async with load.running() as book:
                    await accepted_more(book, 500)
                    log.stop(signal.SIGKILL)
                    await refused_more(book, 50)
                    log.start()
                    await accepted_more(book, 500)
                found = await stored(running.settings, account)
                assert process(running, "ingestion") == ingestion
        finally:
            log.stop()
    book.check(found)
