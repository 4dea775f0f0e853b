"""Looking users up while events are loaded, and while a heavy segment query runs as well."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote

from tests.bench import load
from tests.bench.busy import EVENTS_A_SECOND
from tests.bench.compute import DEFINITION
from tests.bench.events import BATCH, ODD_NUMBER, SKEW, user_id
from tests.bench.load import Load, request, run_load
from tests.e2e.account import Account
from tests.running import Running

PATH = "/api/explorer/users/"
# Of each kind of read.
READS_A_SECOND = 2.0
USERS = 1_000
# Of each kind of load: a read waits for others of the generator's own only if they take half a second.
CONNECTIONS = 2


@dataclass(frozen=True, kw_only=True)
class Profiles:
    """The reads by kind, beside events alone and beside events and heavy queries, and how many of these were done."""

    beside_events: Mapping[str, Load]
    beside_queries: Mapping[str, Load]
    queries: int


async def measure(
    running: Running,
    account: Account,
    segment_id: int,
    loads: Iterator[bytes],
    *,
    users: int,
    seconds: float,
    done: Callable[[int], object] = lambda _: None,
) -> Profiles:
    """Reads users among so many at a steady rate, while `loads`, requests with batches of events, are sent too.

    Raises LoadFailed when anything is not answered as it should be.
    """
    reads = {kind: _requests(account, paths) for kind, paths in _paths(segment_id, users).items()}
    # The first of everything opens connections and caches.
    await _beside_events(running, reads, loads, min(1.0, seconds), lambda _: None)
    beside_events = await _beside_events(running, reads, loads, seconds, done)
    queries = itertools.count()
    async with _heavy_queries(running, account, queries):
        beside_queries = await _beside_events(running, reads, loads, seconds, done)
    return Profiles(beside_events=beside_events, beside_queries=beside_queries, queries=next(queries))


def _paths(segment_id: int, users: int) -> dict[str, list[str]]:
    """What is read of users by chance, active ones more often, by kind of read."""
    chance = random.Random(ODD_NUMBER)
    user_ids = [user_id(int(users * chance.random() ** SKEW)) for _ in range(USERS)]
    paths = [f"{PATH}{quote(found, safe='')}/" for found in user_ids]
    return {
        "profile": paths,
        "events": [f"{path}events/" for path in paths],
        "segments": [f"{path}segments/" for path in paths],
        "explain": [f"{path}segments/{segment_id}/explain/" for path in paths],
        "search": [f"{PATH}?q={quote(text)}" for text in _texts(user_ids)],
    }


def _texts(user_ids: Sequence[str]) -> Iterator[str]:
    """What somebody types: nothing yet, the beginning of an id, a part of it, an id."""
    ways: list[Callable[[str], str]] = [lambda _: "", lambda text: text[:7], lambda text: text[8:12], str]
    return (way(text) for way, text in zip(itertools.cycle(ways), user_ids, strict=False))


def _requests(account: Account, paths: Sequence[str]) -> Iterator[bytes]:
    key = f"ApiKey {account.key}"
    return itertools.cycle([request("GET", path, authorization=key) for path in paths])


async def _beside_events(
    running: Running,
    reads: Mapping[str, Iterator[bytes]],
    loads: Iterator[bytes],
    seconds: float,
    done: Callable[[int], object],
) -> Mapping[str, Load]:
    port = running.settings.edge_port

    async def run(
        requests: Iterator[bytes], status: int, rate: float, done: Callable[[int], object], begin: float = 0.0
    ) -> Load:
        await asyncio.sleep(begin)
        return await run_load(
            port,
            requests,
            is_right=lambda answer: answer.status == status,
            seconds=seconds,
            rate=rate,
            connections=CONNECTIONS,
            done=done,
        )

    loaded = asyncio.create_task(run(loads, 202, EVENTS_A_SECOND / BATCH, lambda _: None))
    # One kind after the other: whoever looks somebody up does not wait for all others to do so at the same moment.
    read = {
        kind: asyncio.create_task(run(requests, 200, READS_A_SECOND, done, number / len(reads) / READS_A_SECOND))
        for number, (kind, requests) in enumerate(reads.items())
    }
    found = {kind: await task for kind, task in read.items()}
    for answered in (await loaded, *found.values()):
        answered.raise_errors()
    return found


@asynccontextmanager
async def _heavy_queries(running: Running, account: Account, queries: Iterator[int]) -> AsyncIterator[None]:
    """Asks how many match a definition, again and again, and takes a number of `queries` for each answer."""
    body = json.dumps({"definition": DEFINITION}).encode()
    preview = request("POST", "/api/segments/preview/", authorization=f"ApiKey {account.key}", body=body)
    connection = await load.connect(running.settings.edge_port)

    async def keep_asking() -> None:
        while (answer := await connection.ask(preview)).status == 200:
            next(queries)
        raise load.LoadFailed(f"{answer.status} {answer.body.decode(errors='replace')[:200]}")

    asking = asyncio.create_task(keep_asking())
    try:
        yield
    finally:
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        connection.close()
