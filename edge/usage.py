"""When API keys were last used: gathered here, told to the identity service every few seconds."""

import asyncio
import logging
import time

from edge.identity_client import IdentityClient
from services.gen.segops.identity.v1 import credentials_pb2
from services.kit.caller import Caller
from services.kit.errors import Unavailable

log = logging.getLogger("usage")

FLUSH_SECONDS = 5.0


class KeyUsage:
    """Remembers the last use of each key until it is told. Uses not yet told are lost with the process."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, float]] = {}

    def note(self, caller: Caller) -> None:
        """Notes that a caller was admitted just now."""
        if caller.key_id is not None:
            self._last[caller.key_id] = (caller.tenant_id, time.time())

    async def run(self, identity: IdentityClient) -> None:
        """Tells the identity service, for ever."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            pending, self._last = self._last, {}
            uses = [
                credentials_pb2.KeyUse(key_id=key_id, tenant_id=tenant_id, used_at=used_at)
                for key_id, (tenant_id, used_at) in pending.items()
            ]
            try:
                if uses:
                    await identity.record_key_use(uses)
            except Unavailable:
                log.warning("identity is away; the last use of %d keys is told later", len(uses))
                self._last = pending | self._last
