"""Segments of a storm: computed when told, each time with other members."""

import random
from collections.abc import Sequence
from typing import Protocol

from tests.integration.connectors.ledger import Segment
from tests.integration.segments.calling import Tenant, at_least
from tests.integration.segments.events import bring_in
from tests.integration.warehouse.processes import Warehouse


class Computed(Protocol):
    """A segment that is computed when told, each time with other members."""

    @property
    def id(self) -> int: ...

    @property
    def members(self) -> frozenset[str]:
        """Who is in it after the last compute."""

    async def change(self, chance: random.Random) -> None:
        """Computes it with some other members."""


class LedgerSegment:
    """A segment whose ledger is written as computes would."""

    def __init__(self, segment: Segment, users: Sequence[str]) -> None:
        self._segment = segment
        self._users = users

    @property
    def id(self) -> int:
        return self._segment.id

    @property
    def members(self) -> frozenset[str]:
        return self._segment.members

    async def change(self, chance: random.Random) -> None:
        changed = frozenset(chance.sample(self._users, chance.randint(1, len(self._users) // 2)))
        # Now and then everybody leaves.
        members = frozenset() if self.members and chance.random() < 0.1 else self.members ^ changed
        await self._segment.compute(members, is_announced=True)


class RealSegment:
    """A segment that its service computes over events."""

    def __init__(self, tenant: Tenant, warehouse: Warehouse, segment_id: int, users: Sequence[str]) -> None:
        self.id = segment_id
        self.members: frozenset[str] = frozenset()
        self._tenant = tenant
        self._warehouse = warehouse
        self._users = users
        self._computes = 0

    async def change(self, chance: random.Random) -> None:
        self._computes += 1
        self.members = frozenset(chance.sample(self._users, chance.randint(1, len(self._users))))
        event_type = f"seen-{self.id}-{self._computes}"
        await bring_in(self._warehouse, self._tenant.id, event_type, self.members)
        await self._tenant.update(self.id, definition=at_least(event_type))
        segment = await self._tenant.compute(self.id)
        assert (segment.status, segment.member_count) == ("computed", len(self.members))


def users(count: int) -> list[str]:
    """User ids, some of them emails."""
    return [f"user-{number:05}" if number % 3 else f"user-{number:05}@example.com" for number in range(count)]
