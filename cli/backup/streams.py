"""Streams of the event log as JetStream itself copies them: with their sequences, times, gaps and configuration.

The protocol is that of the API's `STREAM.SNAPSHOT` and `STREAM.RESTORE`: chunks of an archive that only the server
reads, each of them answered, so that neither side is ahead of the other.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from services.kit.eventlog import STREAM, login
from services.kit.settings import Settings

# What was loaded is read from the log; positions and the like are made anew.
STREAMS = (STREAM, "EVENTS_REWRITTEN", "EVENTS_DEAD", "KV_erased")
CHUNK_BYTES = 128 * 1024
# A server that writes gigabytes to its disk answers late.
ANSWER_SECONDS = 60.0
CONNECT_SECONDS = 3
NO_LIMIT = 0


class LogFailed(Exception):
    """The event log could not be copied; the text says what it answered."""


async def connect(settings: Settings) -> Client:
    """A connection that is not made again when it breaks: a copy cannot go on in the middle."""
    return await nats.connect(
        settings.nats_servers,
        **login(settings),
        allow_reconnect=False,
        # Otherwise the first connection is tried for two minutes.
        max_reconnect_attempts=1,
        reconnect_time_wait=0.1,
        connect_timeout=CONNECT_SECONDS,
        error_cb=_ignore,
    )


async def _ignore(_: Exception) -> None:
    """What breaks the connection is told by the call that needs it."""


async def find(client: Client, stream: str) -> dict[str, Any] | None:
    """Configuration and state of a stream; None when there is none."""
    try:
        await client.jetstream().stream_info(stream)
    except NotFoundError:
        return None
    return await _ask(client, f"STREAM.INFO.{stream}", {})


async def snapshot(client: Client, stream: str, write: Callable[[bytes], object]) -> dict[str, Any]:
    """Writes a stream as it is now; answers its configuration and state. Raises LogFailed."""
    inbox = client.new_inbox()
    chunks: asyncio.Queue[Msg] = asyncio.Queue()
    subscription = await client.subscribe(inbox, cb=chunks.put)
    try:
        request = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": CHUNK_BYTES}
        answer = await _ask(client, f"STREAM.SNAPSHOT.{stream}", request)
        while (chunk := await asyncio.wait_for(chunks.get(), ANSWER_SECONDS)).data:
            write(chunk.data)
            if chunk.reply:
                await chunk.respond(b"")
        status = (chunk.headers or {}).get("Status", "")
        if status[:1] in ("4", "5"):
            raise LogFailed(f"{stream}: {status} {(chunk.headers or {}).get('Description', '')}")
    except TimeoutError:
        raise LogFailed(f"{stream}: the event log stopped answering") from None
    finally:
        await subscription.unsubscribe()
    return {"config": answer["config"], "state": answer["state"]}


async def restore(client: Client, stream: str, meta: dict[str, Any], chunks: Iterable[bytes], replicas: int) -> None:
    """Makes a stream of a snapshot, in the place of one of this name; messages of any age stay. Raises LogFailed."""
    if await find(client, stream) is not None:
        await _ask(client, f"STREAM.DELETE.{stream}", {})
    config = {**meta["config"], "max_age": NO_LIMIT, "num_replicas": replicas}
    request = {"config": config, "state": meta["state"]}
    answer = await _ask(client, f"STREAM.RESTORE.{stream}", request)
    for chunk in chunks:
        await _send(client, answer["deliver_subject"], chunk)
    await _send(client, answer["deliver_subject"], b"")


async def configure(client: Client, stream: str, **changes: Any) -> None:
    """Changes some of a stream's configuration. Raises LogFailed."""
    info = await _ask(client, f"STREAM.INFO.{stream}", {})
    await _ask(client, f"STREAM.UPDATE.{stream}", {**info["config"], **changes})


async def _ask(client: Client, what: str, request: dict[str, Any]) -> dict[str, Any]:
    return await _answer(client.request(f"$JS.API.{what}", json.dumps(request).encode(), timeout=ANSWER_SECONDS), what)


async def _send(client: Client, subject: str, chunk: bytes) -> None:
    await _answer(client.request(subject, chunk, timeout=ANSWER_SECONDS), "STREAM.RESTORE")


async def _answer(asked: Awaitable[Msg], what: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((await asked).data or b"{}")
    if error := answer.get("error"):
        raise LogFailed(f"{what}: {error.get('description', error)}")
    return answer
