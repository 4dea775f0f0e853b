"""Who loads, of several warehouse processes on one ClickHouse: whoever holds the lease, a record in NATS.

The holder renews it every second. The others watch its revision: when it has not changed for some seconds of their own
clock, they take it, and one of them gets it, because a write names the revision that it replaces. The holder stops
earlier than that, by its own clock, so clocks need not agree. One that was paused may be in the midst of an insert when
it wakes: that has the token of its block, under which the next holder has inserted it already.
"""

import asyncio
import json
import logging
import time
import uuid

from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from services.kit.eventlog import EventLog
from services.kit.streams import ensure_bucket
from services.warehouse.loading.positions import BUCKET

log = logging.getLogger("loader")

KEY = "lease"
RENEW_SECONDS = 1.0
# Without a renewal for so long the holder stops, and the others take over. A NATS cluster elects a leader in about two.
LOST_SECONDS, TAKEN_SECONDS = 4.0, 6.0


class LeaseLost(ConnectionError):
    """Another process loads by now, or may."""


class Lease:
    """One process's part in it; `address` is where others reach it, and `holder_address` where the holder is."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._name = uuid.uuid4().hex
        self._bucket: KeyValue | None = None
        self._revision = 0
        self._renewed = float("-inf")
        self.holder_address = ""

    @property
    def is_held(self) -> bool:
        """Whether this process may load."""
        return time.monotonic() - self._renewed < LOST_SECONDS

    def confirm(self) -> None:
        """Raises LeaseLost when this process may not load any more."""
        if not self.is_held:
            raise LeaseLost("the lease was not renewed in time")

    async def acquire(self, event_log: EventLog) -> None:
        """Returns when this process holds the lease."""
        self._bucket = await ensure_bucket(event_log.jetstream, BUCKET, event_log.replicas)
        seen, since = -1, time.monotonic()
        while True:
            revision, holder = await self._read()
            if revision != seen:
                seen, since = revision, time.monotonic()
            is_free = not holder or holder == self._name
            if (is_free or time.monotonic() - since >= TAKEN_SECONDS) and await self._take(revision):
                log.info("this process loads from now on")
                return
            await asyncio.sleep(RENEW_SECONDS / 2)

    async def keep(self) -> None:
        """Renews the lease as long as that is possible. Raises LeaseLost."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self._write(self._name, self._revision)
            except (NatsError, OSError) as error:
                # Written or not, or by another: what is there tells.
                log.warning("the lease could not be renewed: %r", error)
                await self._look()
            self.confirm()

    async def release(self) -> None:
        """Lets another process take over at once."""
        if self.is_held:
            self._renewed = float("-inf")
            await self._write("", self._revision, is_renewal=False)

    async def _look(self) -> None:
        try:
            revision, holder = await self._read()
        except (NatsError, OSError):
            return
        if holder != self._name:
            self._renewed = float("-inf")
        self._revision = revision

    async def _take(self, revision: int) -> bool:
        try:
            await self._write(self._name, revision)
        except (NatsError, OSError) as error:
            log.warning("the lease could not be taken: %r", error)
            return False
        self.holder_address = self._address
        return True

    async def _read(self) -> tuple[int, str]:
        """The record's revision and its holder; 0 and nobody without one."""
        assert self._bucket is not None
        try:
            entry = await self._bucket.get(KEY)
        except KeyNotFoundError:
            return 0, ""
        record = json.loads(entry.value or b"{}")
        self.holder_address = record["address"]
        return entry.revision or 0, record["holder"]

    async def _write(self, holder: str, revision: int, *, is_renewal: bool = True) -> None:
        assert self._bucket is not None
        began = time.monotonic()
        record = json.dumps({"holder": holder, "address": self._address if holder else ""}).encode()
        self._revision = await self._bucket.update(KEY, record, last=revision)
        if is_renewal:
            self._renewed = began
