"""How the syncs of connectors went."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from services.kit.postgres import Database
from services.profiles.analytics import store
from services.profiles.analytics.periods import WINDOW

NEWEST = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivationStats:
    """A connector with its segment, and its newest attempts to sync, newest first."""

    activation: Row[Any]
    logs: Sequence[Row[Any]]

    @property
    def success_rate(self) -> float | None:
        """Share of the attempts of the window that succeeded; None without any."""
        tried: int = self.activation.tried
        return self.activation.succeeded / tried if tried else None


async def activation_stats(database: Database, *, tenant_id: int, now: datetime) -> Sequence[ActivationStats]:
    """Those of all connectors, by id."""
    logs: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    async with database.tenant(tenant_id) as connection:
        activations = await store.list_activations(connection, tenant_id, now - WINDOW)
        for log in await store.list_newest_logs(connection, tenant_id, NEWEST):
            logs[log.activation_id].append(log)
    return [ActivationStats(activation=activation, logs=logs[activation.id]) for activation in activations]
