"""Storing rows in the event log: on disk, refused, or refused after a wait that is over soon."""

import asyncio
import secrets
import time

from nats.errors import Error as NatsError

from services.ingestion.rows import Rows
from services.kit.errors import TooLarge, Unavailable
from services.kit.eventlog import DEDUP_HEADER, EventLog

# A sender waits no longer than this for the log.
GIVE_UP_SECONDS = 1.5
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
        """Returns once the rows are on disk. Raises Unavailable, and TooLarge for more than the log takes at once."""
        if len(rows.text) > MAX_BYTES:
            raise TooLarge("The events are too large. Send fewer at once.")
        headers = {MESSAGE_ID_HEADER: secrets.token_hex(16)}
        if rows.deduplicated:
            headers[DEDUP_HEADER] = "1"
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await self._prove_alive()
                await self._append(tenant_id, rows.text, headers)
        except (TimeoutError, NatsError, OSError) as error:
            raise Unavailable from error

    async def _prove_alive(self) -> None:
        async with self._proving:
            if time.monotonic() - self._alive_at > PROOF_SECONDS:
                await self._log.check()
                self._alive_at = time.monotonic()

    async def _append(self, tenant_id: int, rows: bytes, headers: dict[str, str]) -> None:
        """Repeats what may have been stored without an answer, under the same id, so that the answer is known."""
        while True:
            try:
                await self._log.append(tenant_id, rows, headers)
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._alive_at = time.monotonic()
                return
