"""Which events were taken before, for the answer to their sender: the loader decides, this only tells."""

import logging
import time
from collections.abc import Sequence
from typing import Protocol

from services.kit.errors import Failure, Unavailable

log = logging.getLogger("known")

# What was taken before is loaded within a second and known to the warehouse then. About 12 MB in each of two halves.
MAX_REMEMBERED = 100_000
REMEMBERED_SECONDS = 60.0
# A warehouse that did not answer in time is not waited for again so soon.
PAUSE_SECONDS = 1.0


class Loaded(Protocol):
    """The warehouse, as far as this needs it."""

    async def known(self, event_ids: Sequence[bytes]) -> Sequence[bool]:
        """Which event ids, 16 bytes each, were loaded within 24 hours."""


class KnownEvents:
    """Event ids derived from message ids: those this replica took in the last minutes, and those that are loaded."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._recent: set[str] = set()
        self._older: set[str] = set()
        self._turn_at = time.monotonic() + REMEMBERED_SECONDS
        self._asks_again_at = float("-inf")

    async def count(self, derived_ids: Sequence[str]) -> int:
        """How many of these were taken before, or repeat another one among them."""
        unknown = list(set(derived_ids) - self._recent - self._older)
        loaded = await self._count_loaded(unknown) if unknown else 0
        return len(derived_ids) - len(unknown) + loaded

    def remember(self, derived_ids: Sequence[str]) -> None:
        """Notes ids that are on disk now."""
        if len(self._recent) >= MAX_REMEMBERED or time.monotonic() >= self._turn_at:
            self._recent, self._older = set(), self._recent
            self._turn_at = time.monotonic() + REMEMBERED_SECONDS
        self._recent.update(derived_ids)

    async def _count_loaded(self, event_ids: Sequence[str]) -> int:
        if time.monotonic() < self._asks_again_at:
            return 0
        try:
            return sum(await self._loaded.known([bytes.fromhex(each.replace("-", "")) for each in event_ids]))
        except Unavailable:
            self._asks_again_at = time.monotonic() + PAUSE_SECONDS
            log.warning("the warehouse is away: duplicates are counted as new")
        except Failure as failure:
            # The warehouse answers nobody without an identity in a tenant, such as a shop.
            log.debug("duplicates are counted as new: %r", failure)
        return 0
