"""A storm: computes, changes by owners, vendors that misbehave and kills of our process, the same for a seed."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import func, select

from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.schema.connectors import activation_logs, activations
from services.schema.segments import segments
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.storm.computed import Computed, LedgerSegment, users
from tests.integration.connectors.storm.places import FilePlace, Place
from tests.integration.process import ServiceProcess
from tests.integration.segments.calling import until
from tests.standins.mischief import Fault
from tests.standins.receiver import Receiver
from tests.standins.server import StandIn

SETTLE_SECONDS = 60.0


@dataclass(kw_only=True)
class Connector:
    """A connector, its segment, and where it sends to."""

    id: int
    place: Place
    segment: Computed


@dataclass(kw_only=True)
class Storm:
    """What storms over connectors of one tenant. `happened` counts what did."""

    database: Database
    tenant: Tenant
    process: ServiceProcess
    segments: Sequence[Computed]
    connectors: Sequence[Connector]
    chance: random.Random
    # Whether owners also give connectors other segments.
    chooses: bool = True
    happened: Counter[str] = field(default_factory=Counter)

    async def rage(self, steps: int) -> None:
        """Does so many things, one after the other, while syncs run."""
        deeds: dict[Callable[[], Awaitable[None]], int] = {
            self._compute: 8,
            self._pause: 2,
            self._lock_out: 1,
            self._go_away: 1,
            self._lose_disk: 1,
            self._kill: 1,
        }
        if self.chooses:
            deeds[self._choose] = 2
        # Each at least once, in an order of the seed's.
        rest = self.chance.choices([*deeds], [*deeds.values()], k=max(0, steps - len(deeds)))
        for deed in self.chance.sample([*deeds, *rest], k=len(deeds) + len(rest)):
            await deed()
            self.happened[deed.__name__.strip("_")] += 1
            await self._progress(self.chance.randint(0, 20))

    async def settle(self) -> None:
        """Lets all connectors go on before well-behaved vendors, until each has sent its segment's last run."""
        for standin in self._standins:
            standin.mischief.share = 0
        for connector in self.connectors:
            if (await self.tenant.get(connector.id)).status != "active":
                await self._update(connector, status="active")
        await until(self._is_settled, SETTLE_SECONDS)

    async def check(self) -> None:
        """Every destination holds exactly the members of its connector's segment."""
        for connector in self.connectors:
            members, others = connector.place.audiences(connector.segment.id)
            missing, extra = connector.segment.members - members, members - connector.segment.members
            assert (len(missing), len(extra), len(others)) == (0, 0, 0), (connector.place.kind, missing, extra, others)

    async def failures(self, connector: Connector) -> int:
        """How many attempts of a connector failed."""
        failed = activation_logs.c.activation_id == connector.id, activation_logs.c.status == "failed"
        async with self.database.tenant(self.tenant.id) as connection:
            statement = select(func.count()).select_from(activation_logs).where(*failed)
            return int((await connection.execute(statement)).scalar_one())

    @property
    def _standins(self) -> list[StandIn]:
        return [connector.place.standin for connector in self.connectors if connector.place.standin]

    async def _compute(self) -> None:
        await self.chance.choice(self.segments).change(self.chance)

    async def _pause(self) -> None:
        async with self._resting(self.chance.choice(self.connectors)):
            await self._progress(self.chance.randint(0, 10))

    @asynccontextmanager
    async def _resting(self, connector: Connector) -> AsyncIterator[None]:
        """A connector is paused within the block, and no sync of it runs."""
        await self._update(connector, status="inactive")
        await until(lambda: self._is_idle(connector))
        yield
        await self._update(connector, status="active")

    async def _choose(self) -> None:
        connector = self.chance.choice(self.connectors)
        connector.segment = self.chance.choice(self.segments)
        await self._update(connector, segment=connector.segment.id)

    async def _lock_out(self) -> None:
        """The vendor takes the key for wrong, until a connector is in error; then owners activate theirs again."""
        connector, standin = self._any_called()
        unlock = _locked(standin)
        await connector.segment.change(self.chance)
        await until(lambda: self._has_status(connector, "error"))
        unlock()
        for one in self.connectors:
            if one.place.standin is standin:
                await self._update(one, status="active")

    async def _go_away(self) -> None:
        """The vendor is down until it was called in vain some more times."""
        connector, standin = self._any_called()
        mischief = standin.mischief
        share, faults = mischief.share, mischief.faults
        dropped = mischief.happened[Fault.DROP_BEFORE]
        mischief.share, mischief.faults = 1, (Fault.DROP_BEFORE,)
        await connector.segment.change(self.chance)

        async def dropped_more() -> bool:
            return mischief.happened[Fault.DROP_BEFORE] >= dropped + 4

        await until(dropped_more)
        mischief.share, mischief.faults = share, faults

    async def _lose_disk(self) -> None:
        """The disk that files go to is away until a sync failed some more times. It goes and comes between syncs."""
        connector = next(one for one in self.connectors if isinstance(one.place, FilePlace))
        assert isinstance(connector.place, FilePlace)
        before = await self.failures(connector)

        async def failed_more() -> bool:
            return await self.failures(connector) >= before + 2

        async with self._resting(connector):
            connector.place.lose()
        await connector.segment.change(self.chance)
        await until(failed_more)
        async with self._resting(connector):
            connector.place.find()

    async def _kill(self) -> None:
        """Our process is killed while it sends."""
        await self._compute()
        await self._progress(5)
        self.process.kill()
        self.process.start()

    def _any_called(self) -> tuple[Connector, StandIn]:
        connector = self.chance.choice([one for one in self.connectors if one.place.standin])
        assert connector.place.standin is not None
        return connector, connector.place.standin

    async def _progress(self, requests: int) -> None:
        """Returns when vendors got so many more requests, or nothing is left to send."""
        before = sum(standin.arrived for standin in self._standins)

        async def progressed() -> bool:
            arrived = sum(standin.arrived for standin in self._standins)
            return arrived >= before + requests or await self._is_idle()

        await until(progressed, SETTLE_SECONDS)

    async def _is_idle(self, *connectors: Connector) -> bool:
        """Whether no sync of these connectors waits or runs, or of any when none is named."""
        statement = select(func.count()).select_from(activations).where(activations.c.is_syncing)
        if connectors:
            statement = statement.where(activations.c.id.in_([connector.id for connector in connectors]))
        async with self.database.tenant(self.tenant.id) as connection:
            return not (await connection.execute(statement)).scalar_one()

    async def _has_status(self, connector: Connector, status: str) -> bool:
        statement = select(activations.c.status).where(activations.c.id == connector.id)
        async with self.database.tenant(self.tenant.id) as connection:
            return bool((await connection.execute(statement)).scalar_one() == status)

    async def _is_settled(self) -> bool:
        behind = (activations.c.sent_run != segments.c.last_run_id) | activations.c.is_syncing
        statement = (
            select(func.count())
            .select_from(activations)
            .join(segments, segments.c.id == activations.c.segment_id)
            .where(behind)
        )
        async with self.database.tenant(self.tenant.id) as connection:
            return not (await connection.execute(statement)).scalar_one()

    async def _update(self, connector: Connector, **fields: object) -> None:
        async def updated() -> bool:
            # A process that was killed a moment ago may not answer yet.
            with suppress(Unavailable):
                await self.tenant.update(connector.id, **fields)
                return True
            return False

        await until(updated)


def _locked(standin: StandIn) -> Callable[[], None]:
    """Makes a vendor take our key for wrong, until what is returned is called."""
    name = "secret" if isinstance(standin, Receiver) else "key"
    right = getattr(standin, name)
    setattr(standin, name, "another one")
    return lambda: setattr(standin, name, right)


async def connect(tenant: Tenant, places: Sequence[Place], segments: Sequence[Computed]) -> list[Connector]:
    """An active connector to each place, the segments in turns."""
    found = []
    for number, place in enumerate(places):
        segment = segments[number % len(segments)]
        created = await tenant.create(segment.id, place.kind, place.config)
        await tenant.update(created.id, status="active")
        found.append(Connector(id=created.id, place=place, segment=segment))
    return found


async def storm_over_ledgers(
    database: Database,
    tenant: Tenant,
    process: ServiceProcess,
    places: Sequence[Place],
    *,
    seed: int,
    steps: int,
) -> None:
    """A storm in which owners give connectors other segments, too."""
    segments = [LedgerSegment(await Segment.create(database, tenant.id), users(1_500)) for _ in range(3)]
    storm = Storm(
        database=database,
        tenant=tenant,
        process=process,
        segments=segments,
        connectors=await connect(tenant, places, segments),
        chance=random.Random(seed),
    )
    for segment in segments:
        await segment.change(storm.chance)
    await storm.rage(steps)
    await storm.settle()
    await storm.check()
