"""The event log goes away: nothing acknowledged is lost, nothing is stored twice, refusals come quickly."""

import asyncio
import signal
import time
from collections import Counter

import grpc
from nats.js import JetStreamContext

from tests.integration.ingestion.conftest import Client, Platform, eventually, stored

QUICKLY_SECONDS = 2.5


def event(name: str) -> str:
    return f'{{"user_id": "{name}", "event_type": "t"}}'


async def outcome(client: Client, name: str) -> grpc.StatusCode:
    try:
        await client.track(event(name))
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def recovered(client: Client) -> None:
    async def takes_events() -> bool:
        return await outcome(client, "probe") == grpc.StatusCode.OK

    await eventually(takes_events)


async def users(stream: JetStreamContext, tenant_id: int) -> Counter[str]:
    messages = await stored(stream, tenant_id)
    return Counter(line.split("\t")[1] for rows, _ in messages for line in rows.decode().splitlines())


async def refusals(client: Client, count: int) -> None:
    started = time.monotonic()
    outcomes = await asyncio.gather(*(outcome(client, f"refused-{number}") for number in range(count)))
    assert set(outcomes) == {grpc.StatusCode.UNAVAILABLE}
    assert time.monotonic() - started < QUICKLY_SECONDS


async def test_a_stopped_log_refuses_at_once_and_is_used_again_when_it_is_back(
    platform: Platform, client: Client, stream: JetStreamContext
) -> None:
    await client.track(event("before"))
    platform.log.stop()
    await refusals(client, 20)
    platform.log.start()
    await recovered(client)
    assert set(await users(stream, client.tenant_id)) == {"before", "probe"}


async def test_nothing_that_was_refused_while_the_log_hung_is_stored_later(
    platform: Platform, client: Client, stream: JetStreamContext
) -> None:
    await client.track(event("before"))
    platform.log.send(signal.SIGSTOP)
    try:
        # What is sent within 20 ms of the last sign of life cannot be told from what is answered slowly.
        await asyncio.sleep(0.03)
        await refusals(client, 20)
    finally:
        platform.log.send(signal.SIGCONT)
    await recovered(client)
    assert set(await users(stream, client.tenant_id)) == {"before", "probe"}


async def test_a_log_killed_under_load_keeps_each_acknowledged_event_once(
    platform: Platform, client: Client, stream: JetStreamContext
) -> None:
    acknowledged: list[str] = []
    done = asyncio.Event()

    async def send(sender: int) -> None:
        number = 0
        while not done.is_set():
            name = f"{sender}-{number}"
            if await outcome(client, name) == grpc.StatusCode.OK:
                acknowledged.append(name)
            number += 1

    async def kill_twice() -> None:
        for _ in range(2):
            enough = len(acknowledged) + 100

            async def under_load(enough: int = enough) -> bool:
                return len(acknowledged) >= enough

            await eventually(under_load)
            platform.log.stop(signal.SIGKILL)
            platform.log.start()
            await recovered(client)
        done.set()

    await asyncio.gather(kill_twice(), *(send(sender) for sender in range(8)))
    counts = await users(stream, client.tenant_id)
    del counts["probe"]
    assert set(acknowledged) <= set(counts)
    assert max(counts.values()) == 1
