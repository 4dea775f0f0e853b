"""A tenant at a glance."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Row

from services.kit.postgres import Database
from services.profiles.analytics import store
from services.profiles.analytics.member_counts import MemberCounting, StillCounting

# What takes longer to count is left out.
DISTINCT_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Events:
    """Stored events, those that occurred in the window of 30 days and today, and the persons they are of."""

    all: int
    in_window: int
    today: int
    users: int


class Warehouse(Protocol):
    """Where events are counted, for the current caller's tenant. Raises Unavailable."""

    async def catch_up_links(self, database: Database, tenant_id: int) -> int:
        """Makes the links between user ids known there, up to the version that is returned."""

    async def count_events(self, now: datetime, *, links: int) -> Events:
        """Events at an instant, and the persons they are of, by links up to that version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """`segments` as `store.count_segments` has them; `distinct_members` is None while they are being counted."""

    segments: Row[Any]
    activations: Mapping[str, int]
    distinct_members: int | None
    events: Events


async def overview(
    database: Database, counting: MemberCounting, warehouse: Warehouse, *, tenant_id: int, now: datetime
) -> Overview:
    """The overview at an instant. Raises Unavailable."""
    async with database.tenant(tenant_id) as connection:
        segments = await store.count_segments(connection, tenant_id)
        activations = await store.count_activations(connection, tenant_id)
    links = await warehouse.catch_up_links(database, tenant_id)
    return Overview(
        segments=segments,
        activations=activations,
        distinct_members=await _distinct_members(counting, tenant_id),
        events=await warehouse.count_events(now, links=links),
    )


async def _distinct_members(counting: MemberCounting, tenant_id: int) -> int | None:
    try:
        return (await counting.of(tenant_id, seconds=DISTINCT_SECONDS)).persons
    except StillCounting:
        return None
