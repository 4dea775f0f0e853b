"""The event log: one NATS JetStream stream of encoded events, on disk before it is acknowledged."""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Self
from urllib.parse import unquote, urlsplit

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import OutboundBufferLimitError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NoStreamResponseError

from services.kit import metrics, tracing
from services.kit.errors import InDoubt, Unavailable
from services.kit.keys import NATS_TOKEN, secret
from services.kit.settings import Settings
from services.kit.streams import ensure_stream

log = logging.getLogger("eventlog")

STREAM = "EVENTS"
SUBJECT_PREFIX = "events"
# Set on messages in which some event carried a message_id (see services/ingestion and services/warehouse/loader).
DEDUP_HEADER = "Segops-Dedup"
# The invalid events of the requests in a message: {"at": when they were received, "types": {event type: how many}}.
SKIPPED_HEADER = "Segops-Skipped"
ANSWER_SECONDS = 5.0
# An answer that takes longer has been lost, mostly because the server was restarted.
PUBLISH_SECONDS = 2.0
HEARTBEAT_SECONDS = 2
RETRY_SECONDS = 0.5
# More than a log can ever take in.
MESSAGES_PER_SECOND = 1_000_000


async def _log_error(error: Exception) -> None:
    log.warning("the event log does not answer: %r", error)


class EventLog:
    """A connection to the event log that reconnects for ever."""

    def __init__(self, client: Client, replicas: int, kept: timedelta) -> None:
        """`replicas`: on how many servers each stream is kept; `kept`: for how long messages are."""
        self.client = client
        self.replicas = replicas
        self.kept = kept
        self.jetstream: JetStreamContext = client.jetstream(timeout=ANSWER_SECONDS)

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """Connects and makes the stream when it is not there, waiting for a server for as long as it takes."""
        client = await nats.connect(
            settings.nats_servers,
            **login(settings),
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            connect_timeout=2,
            # A server that hangs is left for another one of its cluster after twice as long.
            ping_interval=HEARTBEAT_SECONDS,
            max_outstanding_pings=2,
            # Nothing may be held back and sent later: an event that was refused must not be stored.
            pending_size=0,
            error_cb=_log_error,
        )
        event_log = cls(client, settings.nats_replicas, timedelta(days=settings.eventlog_retention_days))
        try:
            await event_log._ensure_stream()
        except BaseException:
            await event_log.close()
            raise
        return event_log

    async def append(self, tenant_id: int, rows: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Writes one message of encoded rows and answers its sequence once it is on disk.

        Raises Unavailable when it is not stored, and InDoubt when it may be or may come to be.
        """
        if not self.client.is_connected:
            metrics.PUBLISHES.labels("refused").inc()
            raise Unavailable
        started = time.perf_counter()
        subject = f"{SUBJECT_PREFIX}.{tenant_id}"
        try:
            with tracing.span("append to the event log", bytes=len(rows)):
                sent = {**(headers or {}), **tracing.headers()}
                ack = await self.jetstream.publish(subject, rows, timeout=PUBLISH_SECONDS, headers=sent or None)
        except (APIError, NoStreamResponseError, OutboundBufferLimitError) as error:
            metrics.PUBLISHES.labels("refused").inc()
            raise Unavailable from error
        except (NatsError, OSError) as error:
            metrics.PUBLISHES.labels("in_doubt").inc()
            raise InDoubt from error
        metrics.PUBLISHES.labels("stored").inc()
        metrics.PUBLISH_SECONDS.observe(time.perf_counter() - started)
        return ack.seq

    async def check(self) -> None:
        """Raises unless the server answers."""
        await self.jetstream.stream_info(STREAM)

    async def close(self) -> None:
        """Closes the connection."""
        await self.client.close()

    async def _ensure_stream(self) -> None:
        """Makes it. The servers of a cluster that begins may take a while to agree on who does it."""
        wanted = StreamConfig(
            name=STREAM,
            subjects=[f"{SUBJECT_PREFIX}.*"],
            storage=StorageType.FILE,
            num_replicas=self.replicas,
            retention=RetentionPolicy.LIMITS,
            # A full log refuses new events; it never drops accepted ones to make room.
            discard=DiscardPolicy.NEW,
            max_age=self.kept.total_seconds(),
            # A log that is made anew never repeats a sequence, because the warehouse knows its batches by them.
            first_seq=int(time.time()) * MESSAGES_PER_SECOND,
        )
        while True:
            try:
                await ensure_stream(self.jetstream, wanted)
            except NatsError as error:
                log.warning("the event log's stream cannot be made yet: %r", error)
            else:
                return
            await asyncio.sleep(RETRY_SECONDS)


def login(settings: Settings) -> dict[str, str]:
    """What is shown to every server of a cluster, also to those that only the others name."""
    url = urlsplit(settings.nats_servers[0])
    if url.username and url.password:
        return {"user": unquote(url.username), "password": unquote(url.password)}
    return {"token": unquote(url.username) if url.username else secret(settings, NATS_TOKEN)}
