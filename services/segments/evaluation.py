"""What the warehouse is asked to evaluate. What a definition refers to is mirrored there first."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.kit.link_mirror import LinkMirror
from services.kit.postgres import Database
from services.segments import store
from services.segments.fields import definition_errors
from services.segments.mirror import Mirror
from services.segments.references import reference_errors, references


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """A definition and the instant to evaluate it at; the warehouse's current time when `now` is None.

    `past`: what happened since that instant does not count. `runs`: of each segment that is looked at, the last run of
    its ledger that counts, 0 before the first. `links`: the version of the tenant's newest link between user ids, 0
    without any. The warehouse has them.
    """

    definition: object
    now: datetime | None = None
    past: bool = False
    runs: Mapping[int, int] = field(default_factory=dict)
    links: int = 0


class Evaluations:
    """Checks definitions and makes them ready to evaluate, for the current caller's tenant."""

    def __init__(self, database: Database, mirror: Mirror, links: LinkMirror) -> None:
        self._database = database
        self._mirror = mirror
        self._links = links

    async def errors(self, tenant_id: int, definition: object, segment_id: int | None = None) -> list[str]:
        """Everything wrong with a definition that `segment_id` has, or is to have."""
        if errors := definition_errors(definition):
            return errors
        async with self._database.tenant(tenant_id) as connection:
            return await reference_errors(connection, definition, segment_id)

    async def ready(
        self,
        tenant_id: int,
        definition: object,
        *,
        now: datetime | None = None,
        past: bool = False,
        beside: int | None = None,
    ) -> Evaluation:
        """An evaluation that the warehouse can answer, also about the membership of the segment `beside`, if given."""
        looked_at = set(references(definition).values())
        if beside is not None:
            looked_at.add(beside)
        links = await self._links.catch_up(self._database, tenant_id)
        runs = await self.runs(tenant_id, looked_at) if looked_at else {}
        return Evaluation(definition=definition, now=now, past=past, runs=runs, links=links)

    async def runs(self, tenant_id: int, segment_ids: Collection[int]) -> Mapping[int, int]:
        """Of each of these segments that there is the last run of its ledger; the warehouse has them."""
        async with self._database.tenant(tenant_id) as connection:
            runs = await store.keep_segments(connection, segment_ids)
            for segment_id, last_run in runs.items():
                await self._mirror.catch_up(connection, segment_id, last_run)
        return runs
