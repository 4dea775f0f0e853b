"""Bringing events into the warehouse."""

from collections.abc import Iterable

from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.rows import Event, rows


async def bring_in(warehouse: Warehouse, tenant_id: int, event_type: str, user_ids: Iterable[str]) -> None:
    """One event for each user; returns when they can be queried."""
    events = [Event(user_id=user_id, event_type=event_type) for user_id in user_ids]
    await warehouse.loaded(await warehouse.log.append(tenant_id, rows(tenant_id, *events)))
