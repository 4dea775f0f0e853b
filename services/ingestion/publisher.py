"""Storing rows in the event log: on disk, refused, or refused after a wait that is over soon."""

import asyncio
import secrets
import time

from nats.errors import Error as NatsError

from services.ingestion import skipped
from services.ingestion.rows import Rows
from services.kit.errors import InDoubt, TooLarge, Unavailable
from services.kit.eventlog import DEDUP_HEADER, SKIPPED_HEADER, EventLog

# A sender waits no longer than this for a log that is away.
GIVE_UP_SECONDS = 1.5
# And no longer than this for a log that went away before it answered. A server that was killed is back long before.
DOUBT_SECONDS = 6.0
RETRY_SECONDS = 0.05
# A log that acknowledged nothing for this long has to answer before it gets rows. What is sent to a server that hangs
# would be stored when it goes on, long after the sender was told that it was not.
PROOF_SECONDS = 0.02

# Below the log's limit for a message, and above the edge's for a body.
MAX_BYTES = 22 * 1024 * 1024

# The log stores one message per id within two minutes.
MESSAGE_ID_HEADER = "Nats-Msg-Id"


class Publisher:
    """Writes the rows of one request as one message, at most once."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._alive_at = float("-inf")
        self._proving = asyncio.Lock()

    async def store(self, tenant_id: int, rows: Rows) -> None:
        """Returns once the rows, and how many events were skipped, are on disk.

        Raises Unavailable when they are not and will not be, InDoubt when that cannot be known, and TooLarge for more
        than the log takes at once.
        """
        if not rows.text and not rows.skipped:
            return
        if len(rows.text) > MAX_BYTES:
            raise TooLarge("The events are too large. Send fewer at once.")
        headers = {MESSAGE_ID_HEADER: secrets.token_hex(16)}
        if rows.derived_ids:
            headers[DEDUP_HEADER] = "1"
        if rows.skipped:
            headers[SKIPPED_HEADER] = skipped.header(rows)
        started = time.monotonic()
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await self._prove_alive()
        except TimeoutError as error:
            raise Unavailable from error
        await self._append(tenant_id, rows.text, headers, started)

    async def _prove_alive(self) -> None:
        async with self._proving:
            while time.monotonic() - self._alive_at > PROOF_SECONDS:
                try:
                    await self._log.check()
                except (NatsError, OSError):
                    # Of a cluster another server may take over meanwhile.
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    self._alive_at = time.monotonic()

    async def _append(self, tenant_id: int, rows: bytes, headers: dict[str, str], started: float) -> None:
        """Repeats what may have been stored without an answer, under the same id, so that the answer is known."""
        failure: InDoubt | Unavailable | None = None
        while True:
            try:
                await self._log.append(tenant_id, rows, headers)
            except InDoubt as error:
                failure = error
            except Unavailable as error:
                failure = failure or error
            else:
                self._alive_at = time.monotonic()
                return
            patience = DOUBT_SECONDS if isinstance(failure, InDoubt) else GIVE_UP_SECONDS
            if time.monotonic() - started > patience:
                raise failure
            await asyncio.sleep(RETRY_SECONDS)
