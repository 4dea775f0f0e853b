"""Reading the event log in order, ahead of the one who asks."""

import asyncio
import json
from collections import deque
from typing import Self

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from services.kit.eventlog import STREAM, EventLog
from services.warehouse.loading.messages import Message, from_log
from services.warehouse.loading.rewritten import Rewritten

# More is requested while less than this is read ahead.
AHEAD_BYTES = 16 * 1024 * 1024
# What one request to the server asks for. More than the largest message (24 MB), which would never be delivered else.
REQUEST_BYTES = 32 * 1024 * 1024
REQUEST_MESSAGES = 10_000
# Then a request ends and is made again.
REQUEST_SECONDS = 10
HEARTBEAT_SECONDS = 0.5
# Nothing heard for this long: the consumer is gone, for example because the server was restarted.
SILENCE_SECONDS = 2.0
# The server forgets the consumer of a process that died. Whoever reads one subject may do a lot between two requests.
FORGET_SECONDS, FORGET_SUBJECT_SECONDS = 30.0, 3600.0

HEARTBEAT, REQUEST_ENDED = "100", ("404", "408")
FULL = "Message Size Exceeds MaxBytes"


class LogLost(Exception):
    """The consumer skipped messages or is gone; read on with a new one."""


class LogReader:
    """An ephemeral consumer that the server keeps in memory: where it stands is known here, not there.

    Where the log skips a sequence, it was rewritten: then what is left of it comes in its place. The newest message of
    the log never is, so that one always follows.
    """

    def __init__(self, log: EventLog, consumer: str, first: int | None) -> None:
        """`first`: the sequence to begin with, None when sequences may be skipped."""
        self._log = log
        self._rewritten = Rewritten(log)
        self._consumer = consumer
        self._next = first
        self._inbox = log.client.new_inbox()
        self._subscription: Subscription | None = None
        self._buffer: deque[Message] = deque()
        self._buffered_bytes = 0
        self._requested = 0
        self._delivered = 0
        self._lost = ""
        self._heard = asyncio.Event()
        self._room = asyncio.Event()

    @classmethod
    async def open(cls, log: EventLog, first: int, subject: str | None = None) -> Self:
        """Starts reading at sequence `first`, or at the oldest message when that is younger.

        With a subject only what the log itself has of it is read, without what was rewritten.
        """
        config = ConsumerConfig(
            filter_subject=subject,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=first,
            ack_policy=AckPolicy.NONE,
            mem_storage=True,
            num_replicas=1,
            inactive_threshold=FORGET_SUBJECT_SECONDS if subject else FORGET_SECONDS,
        )
        info = await log.jetstream.add_consumer(STREAM, config)
        reader = cls(log, info.name, None if subject else first)
        reader._subscription = await log.client.subscribe(reader._inbox, cb=reader._receive)
        return reader

    async def close(self) -> None:
        """Stops reading."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def oldest(self) -> Message:
        """The oldest message not taken yet, once there is one. Raises LogLost."""
        while True:
            await self._request_more()
            if self._buffer:
                return self._buffer[0]
            await self._hear()

    async def wait_for_more(self) -> None:
        """Returns when something arrived. Raises LogLost."""
        await self._request_more()
        await self._hear()

    def ahead(self) -> int:
        """How many messages can be taken at once."""
        return len(self._buffer)

    def pop(self) -> Message:
        """Takes the oldest message out of those read ahead."""
        message = self._buffer.popleft()
        self._buffered_bytes -= message.size
        self._room.set()
        return message

    async def _hear(self) -> None:
        if self._lost:
            raise LogLost(self._lost)
        self._heard.clear()
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._heard.wait()
        except TimeoutError:
            raise LogLost("the event log is silent") from None

    async def _request_more(self) -> None:
        if self._requested > 0 or self._lost or self._buffered_bytes >= AHEAD_BYTES:
            return
        self._requested = REQUEST_MESSAGES
        request = {
            "batch": REQUEST_MESSAGES,
            "max_bytes": REQUEST_BYTES,
            "expires": int(REQUEST_SECONDS * 1e9),
            "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._consumer}"
        await self._log.client.publish(subject, json.dumps(request).encode(), reply=self._inbox)

    async def _receive(self, message: Msg) -> None:
        status = message.headers.get("Status") if message.headers else None
        if status is None:
            await self._take(message)
        elif status in REQUEST_ENDED or (message.headers or {}).get("Description") == FULL:
            self._requested = 0
        elif status != HEARTBEAT:
            self._lost = f"the event log answered {status} {(message.headers or {}).get('Description', '')}"
        self._heard.set()

    async def _take(self, message: Msg) -> None:
        self._delivered += 1
        if message.metadata.sequence.consumer != self._delivered:
            self._lost = "the event log skipped a message"
        if self._lost:
            return
        self._requested -= 1
        received = from_log(message)
        if self._next is not None:
            try:
                await self._fill_in(range(self._next, received.sequence))
            except (NatsError, OSError) as error:
                self._lost = f"rewritten messages cannot be read: {error!r}"
                return
            self._next = received.sequence + 1
        self._put(received)

    async def _fill_in(self, skipped: range) -> None:
        """Reads what is left of messages that the log skips, no more ahead than of others."""
        for sequence in skipped:
            if rewritten := await self._rewritten.find(sequence):
                self._put(rewritten)
            self._heard.set()
            while self._buffered_bytes >= AHEAD_BYTES:
                self._room.clear()
                await self._room.wait()

    def _put(self, message: Message) -> None:
        self._buffer.append(message)
        self._buffered_bytes += message.size
