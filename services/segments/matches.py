"""Evaluating for a compute: in the tenant's name, because nobody calls."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from services.kit.acting import Actor
from services.kit.caller import current_request
from services.segments.evaluation import Evaluation, Evaluations
from services.segments.warehouse import Warehouse


class TenantMatches:
    """The users of a tenant that a definition matches."""

    def __init__(self, actor: Actor, evaluations: Evaluations, warehouse: Warehouse) -> None:
        self._actor = actor
        self._evaluations = evaluations
        self._warehouse = warehouse

    async def ready(self, tenant_id: int, definition: object, now: datetime) -> Evaluation:
        """The definition at an instant, ready to be evaluated. Raises a Failure."""
        async with self._acting(tenant_id):
            return await self._evaluations.ready(tenant_id, definition, now=now)

    async def stream(self, tenant_id: int, evaluation: Evaluation) -> AsyncGenerator[bytes]:
        """The matching user ids, in byte order, one a line in COPY's text format. Raises a Failure."""
        async with self._acting(tenant_id):
            async for chunk in self._warehouse.stream(evaluation):
                yield chunk

    def _acting(self, tenant_id: int) -> AbstractAsyncContextManager[None]:
        return self._actor.acting_for(tenant_id, request_id=current_request().id)
