"""The public keys that verify tokens, by key id: asked for when a token names another, and again when they change."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt

from services.kit.errors import Unauthenticated

# A made-up key id asks for the keys again too, but no more often than this.
ASK_SECONDS = 1.0


class TokenKeys:
    """Remembers the keys that `ask` answers with, as in a JSON Web Key Set.

    A key id follows from its key and never comes to mean another. Whether the key still counts is for identity to say,
    each time that a token is resolved.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[list[dict[str, Any]]]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._ask_from = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> jwt.PyJWK:
        """The key that goes by an id. Raises Unauthenticated, or Unavailable when identity is away."""
        while key_id not in self._keys and (self._asking or self._clock() >= self._ask_from):
            # All who wait do so for one answer. It goes on when the one who began hangs up.
            self._asking = self._asking or asyncio.create_task(self._learn())
            await asyncio.shield(self._asking)
        try:
            return self._keys[key_id]
        except KeyError:
            raise Unauthenticated from None

    def forget(self) -> None:
        """They have changed, or may have: they are asked for when they are needed next."""
        self._keys, self._ask_from = {}, float("-inf")

    async def _learn(self) -> None:
        before = self._keys
        try:
            answer = await self._ask()
        finally:
            self._asking = None
        # Forgotten meanwhile, the answer may be older than the change: whoever waits asks anew.
        if self._keys is before:
            self._keys = {key["kid"]: jwt.PyJWK(key) for key in answer}
            self._ask_from = self._clock() + ASK_SECONDS
