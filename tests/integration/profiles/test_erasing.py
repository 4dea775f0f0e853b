"""Erasures go pass after pass until one finds nothing, and block and release users together."""

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import NotFound, Unavailable
from services.kit.postgres import Database
from services.kit.pseudonyms import Pseudonyms
from services.kit.settings import Settings
from services.profiles.erasing import CONNECTORS, Erased, Erasures
from services.profiles.link_rules import alias
from services.profiles.linking import link
from services.schema.profiles import erased_users, user_links

# Other packages' tests share the backends; each package has its own range of tenants.
_tenant_ids = itertools.count(480_000)
GRACE_SECONDS = 10.0
TOLD = Erased(store=CONNECTORS, erased=0, remaining=0)
PSEUDONYMS = Pseudonyms("key")


class World:
    """What passes find in other services, what they were asked, and when the next pass is."""

    def __init__(self) -> None:
        self.found: list[Mapping[str, int]] = []
        self.connectors = TOLD
        self.released: list[Sequence[str]] = []
        self.waits: list[float] = []
        self.now = datetime(2026, 4, 25, 14, 32, tzinfo=UTC)

    async def block(self, user_ids: Sequence[str], until: datetime) -> None:
        assert until <= self.now

    async def erase(self, erasure_id: int, user_ids: Sequence[str]) -> tuple[Mapping[str, int], Erased]:
        return (self.found.pop(0) if self.found else {"events": 0}), self.connectors

    async def release(self, erasure_id: int, user_ids: Sequence[str]) -> None:
        self.released.append(user_ids)

    async def put(
        self, connection: AsyncConnection, *, tenant_id: int, erasure_id: int, delay_seconds: float = 0
    ) -> None:
        self.waits.append(delay_seconds)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database.connect(settings)
    yield database
    await database.close()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def erasures(database: Database, world: World) -> Erasures:
    return Erasures(database, PSEUDONYMS, world, grace_seconds=GRACE_SECONDS, now=lambda: world.now)


@pytest.fixture
def tenant() -> int:
    return next(_tenant_ids)


async def running(database: Database, tenant: int) -> dict[bytes, bool]:
    """Of each user who was erased, whether nothing of theirs is taken."""
    async with database.tenant(tenant) as connection:
        rows = await connection.execute(select(erased_users.c.pseudonym, erased_users.c.is_running))
        return {row.pseudonym: row.is_running for row in rows}


def name(tenant: int, user_id: str) -> bytes:
    return PSEUDONYMS.name(tenant, user_id)


async def test_a_person_is_erased_under_all_ids_and_once(
    database: Database, erasures: Erasures, world: World, tenant: int
) -> None:
    await link(database, tenant, ("anon_x", "ann"), alias)
    erasure = await erasures.request(tenant, "anon_x")
    assert set(erasure.user_ids) == {"ann", "anon_x"}
    assert (await erasures.request(tenant, "ann")).id == erasure.id
    assert world.waits == [0]
    assert await running(database, tenant) == {name(tenant, "ann"): True, name(tenant, "anon_x"): True}


async def test_the_receipt_adds_up_and_is_complete_when_a_pass_after_the_grace_finds_nothing(
    database: Database, erasures: Erasures, world: World, tenant: int
) -> None:
    await link(database, tenant, ("anon_x", "ann"), alias)
    erasure = await erasures.request(tenant, "ann")
    world.found = [{"events": 5}, {"events": 1}, {"events": 0}]
    for _ in range(3):
        await erasures.run(tenant, erasure.id, world)
    receipt = await erasures.find(tenant, erasure.id)
    assert receipt.status == "running"
    assert world.waits == [0, GRACE_SECONDS, GRACE_SECONDS, GRACE_SECONDS]
    world.now += timedelta(seconds=GRACE_SECONDS)
    await erasures.run(tenant, erasure.id, world)
    receipt = await erasures.find(tenant, erasure.id)
    assert (receipt.status, receipt.completed_at, receipt.user_ids) == ("complete", world.now, [])
    assert {entry["store"]: (entry["erased"], entry["remaining"]) for entry in receipt.stores} == {
        "events": (6, 0),
        "links": (1, 0),
        CONNECTORS: (0, 0),
    }
    assert [set(users) for users in world.released] == [{"ann", "anon_x"}]
    assert set((await running(database, tenant)).values()) == {False}
    async with database.tenant(tenant) as connection:
        assert (await connection.execute(select(user_links))).all() == []
    # A job may run twice.
    await erasures.run(tenant, erasure.id, world)
    assert len(world.released) == 1


async def test_it_waits_for_connectors_and_says_why(erasures: Erasures, world: World, tenant: int) -> None:
    erasure = await erasures.request(tenant, "ann")
    world.connectors = Erased(store=CONNECTORS, erased=1, remaining=1, detail="Down.")
    world.now += timedelta(minutes=5)
    await erasures.run(tenant, erasure.id, world)
    receipt = await erasures.find(tenant, erasure.id)
    connectors: Any = next(entry for entry in receipt.stores if entry["store"] == CONNECTORS)
    assert (receipt.status, connectors["remaining"], connectors["detail"]) == ("running", 1, "Down.")
    assert world.waits[-1] == 30
    world.connectors = TOLD
    await erasures.run(tenant, erasure.id, world)
    connectors = next(
        entry for entry in (await erasures.find(tenant, erasure.id)).stores if entry["store"] == CONNECTORS
    )
    assert (connectors["erased"], connectors["remaining"], connectors["detail"]) == (1, 0, None)


async def test_a_person_who_has_more_ids_by_now_is_erased_anew_and_stays_blocked_till_the_last_is_complete(
    database: Database, erasures: Erasures, world: World, tenant: int
) -> None:
    first = await erasures.request(tenant, "ann")
    await link(database, tenant, ("anon_x", "ann"), alias)
    second = await erasures.request(tenant, "ann")
    assert second.id != first.id
    world.now += timedelta(seconds=GRACE_SECONDS)
    for _ in range(2):
        await erasures.run(tenant, first.id, world)
    assert (await erasures.find(tenant, first.id)).status == "complete"
    assert world.released == [[]]
    assert set((await running(database, tenant)).values()) == {True}
    await erasures.run(tenant, second.id, world)
    assert set((await running(database, tenant)).values()) == {False}


async def test_a_store_that_is_away_leaves_it_as_it_is(erasures: Erasures, world: World, tenant: int) -> None:
    erasure = await erasures.request(tenant, "ann")

    class Away(World):
        async def erase(self, erasure_id: int, user_ids: Sequence[str]) -> tuple[Mapping[str, int], Erased]:
            raise Unavailable

    with pytest.raises(Unavailable):
        await erasures.run(tenant, erasure.id, Away())
    assert (await erasures.find(tenant, erasure.id)).user_ids == ["ann"]
    with pytest.raises(NotFound):
        await erasures.find(tenant + 1, erasure.id)
