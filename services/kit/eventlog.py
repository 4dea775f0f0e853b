"""The event log: one NATS JetStream stream of encoded events, on disk before it is acknowledged."""

import logging
import time
from collections.abc import Mapping
from typing import Self

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import OutboundBufferLimitError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from services.kit.errors import InDoubt, Unavailable
from services.kit.keys import NATS_TOKEN, secret
from services.kit.settings import Settings

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
RETENTION_SECONDS = 7 * 24 * 3600
# More than a log can ever take in.
MESSAGES_PER_SECOND = 1_000_000


async def _log_error(error: Exception) -> None:
    log.warning("the event log does not answer: %r", error)


class EventLog:
    """A connection to the event log that reconnects for ever."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream(timeout=ANSWER_SECONDS)

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """Connects, waiting for the server for as long as it takes, and makes the stream when it is not there."""
        client = await nats.connect(
            settings.nats_dsn,
            token=secret(settings, NATS_TOKEN),
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            connect_timeout=2,
            # Nothing may be held back and sent later: an event that was refused must not be stored.
            pending_size=0,
            error_cb=_log_error,
        )
        event_log = cls(client)
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
            raise Unavailable
        subject = f"{SUBJECT_PREFIX}.{tenant_id}"
        try:
            ack = await self.jetstream.publish(
                subject, rows, timeout=PUBLISH_SECONDS, headers=dict(headers) if headers else None
            )
        except (APIError, NoStreamResponseError, OutboundBufferLimitError) as error:
            raise Unavailable from error
        except (NatsError, OSError) as error:
            raise InDoubt from error
        return ack.seq

    async def check(self) -> None:
        """Raises unless the server answers."""
        await self.jetstream.stream_info(STREAM)

    async def close(self) -> None:
        """Closes the connection."""
        await self.client.close()

    async def _ensure_stream(self) -> None:
        try:
            await self.jetstream.stream_info(STREAM)
        except NotFoundError:
            await self.jetstream.add_stream(
                StreamConfig(
                    name=STREAM,
                    subjects=[f"{SUBJECT_PREFIX}.*"],
                    storage=StorageType.FILE,
                    retention=RetentionPolicy.LIMITS,
                    # A full log refuses new events; it never drops accepted ones to make room.
                    discard=DiscardPolicy.NEW,
                    max_age=RETENTION_SECONDS,
                    # A log that is made anew never repeats a sequence, because the warehouse knows its batches by them.
                    first_seq=int(time.time()) * MESSAGES_PER_SECOND,
                )
            )
