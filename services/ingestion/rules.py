"""What tenants declared, as far as taking events needs it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from services.ingestion import erasure_store, quota_store, schema_store
from services.ingestion.erased import Erased
from services.ingestion.questions import Questions
from services.ingestion.schemas import Schema, read_schema
from services.kit.ending import end
from services.kit.errors import Unavailable
from services.kit.listening import Listener
from services.kit.plans import PLANS, Plan
from services.kit.postgres import Database
from services.kit.pseudonyms import Pseudonyms

# Forgetting is immediate; this only bounds memory.
MAX_REMEMBERED = 100_000
NO_SCHEMAS: Mapping[str, Schema] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rules:
    """A tenant's plan, its schemas by event type, and its users who were erased."""

    plan: Plan
    schemas: Mapping[str, Schema]
    erased: Erased


class TenantRules:
    """Remembers what PostgreSQL says of each tenant, until it changes.

    What was remembered is trusted only while changes are heard of. Else PostgreSQL is asked each time; while it does
    not answer, the last that was known of a tenant holds: nobody can change it meanwhile.
    """

    def __init__(self, database: Database, listener: Listener, pseudonyms: Pseudonyms) -> None:
        self._database = database
        self._pseudonyms = pseudonyms
        self._is_listening = listener.is_connected
        self._listening = asyncio.create_task(listener.run(self._forget, self._forget_all))
        self._loads: Questions[int, _Rules] = Questions()
        self._last: dict[int, _Rules] = {}
        self._trusted: set[int] = set()
        self._forgotten = 0

    async def schemas(self, tenant_id: int) -> Mapping[str, Schema]:
        """The schemas by event type, at most one second old. Raises Unavailable."""
        return (await self._rules(tenant_id)).schemas

    async def erased(self, tenant_id: int) -> Erased:
        """The users who were erased, at most one second old. Raises Unavailable."""
        return (await self._rules(tenant_id)).erased

    async def plan(self, tenant_id: int) -> Plan:
        """The plan, at most one second old. Raises Unavailable."""
        return (await self._rules(tenant_id)).plan

    async def close(self) -> None:
        """Ends listening."""
        await end([self._listening])

    async def _rules(self, tenant_id: int) -> _Rules:
        if tenant_id in self._trusted and self._is_listening():
            return self._last[tenant_id]
        try:
            return await self._loads.ask(tenant_id, partial(self._load, tenant_id))
        except Unavailable:
            if tenant_id not in self._last:
                raise
            return self._last[tenant_id]

    async def _load(self, tenant_id: int) -> _Rules:
        forgotten, listening = self._forgotten, self._is_listening()
        async with self._database.tenant(tenant_id) as connection:
            plan = await quota_store.plan_of(connection, tenant_id)
            declared = await schema_store.all_properties(connection)
            until = await erasure_store.erased_until(connection)
        # What is no tenant's any more has no limit.
        rules = _Rules(
            plan=PLANS[plan or "enterprise"],
            schemas={event_type: read_schema(event_type, text) for event_type, text in declared.items()} or NO_SCHEMAS,
            erased=Erased(tenant_id=tenant_id, pseudonyms=self._pseudonyms, until=until),
        )
        if len(self._last) >= MAX_REMEMBERED:
            self._trusted.clear()
            self._last.clear()
        self._last[tenant_id] = rules
        # Else something may have changed while we asked, and the answer may be older than the change.
        if listening and forgotten == self._forgotten:
            self._trusted.add(tenant_id)
        return rules

    def _forget(self, tenant_id: str) -> None:
        self._forgotten += 1
        self._trusted.discard(int(tenant_id))

    def _forget_all(self) -> None:
        self._forgotten += 1
        self._trusted.clear()
