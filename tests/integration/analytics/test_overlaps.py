"""Members in common, against sets of Python, and for how long they are remembered."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from itertools import combinations
from random import Random

import pytest

from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.profiles.analytics.member_counts import COUNTED_AT_ONCE, READ_AT_ONCE, MemberCounting, StillCounting
from services.profiles.analytics.overlaps import Overlap, largest_overlaps
from tests.integration.analytics.holding import held_up
from tests.integration.analytics.rows import add_links, change
from tests.integration.connectors.ledger import Segment

SECONDS = 30.0
# The sessions that wait for the memberships.
END_WAITING = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'memberships'::regclass AND NOT granted"


@pytest.fixture
async def counting(database: Database) -> AsyncIterator[MemberCounting]:
    counting = MemberCounting(database)
    yield counting
    await counting.close()


class World:
    """Segments of a tenant, and which user ids are one person."""

    def __init__(self, database: Database, tenant_id: int) -> None:
        self.segments: list[Segment] = []
        self.persons: dict[str, str] = {}
        self._database = database
        self._tenant_id = tenant_id

    async def add(self, *members: set[str]) -> None:
        """Segments that are computed."""
        for those in members:
            self.segments.append(await Segment.create(self._database, self._tenant_id))
            await self.segments[-1].compute(those)

    async def link(self, persons: Mapping[str, str]) -> None:
        self.persons |= persons
        await add_links(self._database, self._tenant_id, persons)

    def members(self, segment: Segment) -> set[str]:
        return {self.persons.get(user_id, user_id) for user_id in segment.members}

    def everybody(self) -> int:
        return len(set().union(*(self.members(segment) for segment in self.segments)))

    def expected(self) -> list[Overlap]:
        found = []
        for one, other in combinations(self.segments, 2):
            mine, theirs = self.members(one), self.members(other)
            if common := len(mine & theirs):
                percent = round(100 * common / min(len(mine), len(theirs)), 2)
                found.append(
                    Overlap(pair=(one.id, other.id), names=("Buyers",) * 2, persons=common, percent_of_smaller=percent)
                )
        return sorted(found, key=lambda overlap: (-overlap.persons, overlap.pair))[:20]


@pytest.fixture
def world(database: Database, tenant_id: int) -> World:
    return World(database, tenant_id)


async def test_all_numbers_are_those_of_sets(
    counting: MemberCounting, world: World, tenant_id: int, random: Random, other_tenant_id: int, database: Database
) -> None:
    users = [f"user-{number:03}" for number in range(200)]
    await World(database, other_tenant_id).add(set(users), set(users))
    await world.add(*(set(random.sample(users, random.choice([0, 1, 5, 50, 150]))) for _ in range(12)))
    assert await largest_overlaps(counting, tenant_id) == world.expected()
    for _ in range(3):
        unlinked = [user for user in users if user not in world.persons and user not in world.persons.values()]
        person, *others = random.sample(unlinked, 12)
        # The person at the end of links has a row too when it was a link once.
        await world.link(dict.fromkeys([*others, person] if random.random() < 0.5 else others, person))
        await random.choice(world.segments).compute(random.sample(users, 100))
        assert await largest_overlaps(counting, tenant_id) == world.expected()
        assert (await counting.of(tenant_id, seconds=SECONDS)).persons == world.everybody()


async def test_more_persons_than_are_read_and_counted_at_once_are_all_counted(
    counting: MemberCounting, tenant_id: int, database: Database
) -> None:
    segments = [(await Segment.create(database, tenant_id)).id for _ in range(3)]
    fill = """
        INSERT INTO memberships (tenant_id, user_id, segment_id, entered_at)
        SELECT :tenant_id, 'user-' || number, :segment_id, now() FROM generate_series(0, :most) AS number
        WHERE number % :step = 0"""
    most = COUNTED_AT_ONCE + 2 * READ_AT_ONCE
    for segment_id, step in zip(segments, (1, 2, 3), strict=True):
        await change(database, tenant_id, fill, segment_id=segment_id, step=step, most=most)
    await change(database, tenant_id, "UPDATE segments SET last_run_id = 1")
    counts = await counting.of(tenant_id, seconds=SECONDS)
    assert counts.persons == most + 1
    assert [counts.members[segment_id] for segment_id in segments] == [most // step + 1 for step in (1, 2, 3)]
    assert [persons for _, persons in counts.largest] == [most // step + 1 for step in (2, 3, 6)]


async def test_a_tenant_without_members_has_nothing_in_common(
    counting: MemberCounting, world: World, tenant_id: int, database: Database
) -> None:
    assert await largest_overlaps(counting, tenant_id) == []
    await world.add(set(), set())
    await Segment.create(database, tenant_id)
    assert await largest_overlaps(counting, tenant_id) == []
    await world.add({"ann"}, {"bob"})
    assert await largest_overlaps(counting, tenant_id) == []
    assert (await counting.of(tenant_id, seconds=SECONDS)).persons == 2


async def test_every_membership_and_link_is_in_the_next_answer(
    counting: MemberCounting, world: World, tenant_id: int, database: Database
) -> None:
    await world.add({"ann", "bob"}, {"ann"})
    assert [overlap.persons for overlap in await largest_overlaps(counting, tenant_id)] == [1]
    await world.segments[1].compute({"ann", "bob"})
    assert [overlap.persons for overlap in await largest_overlaps(counting, tenant_id)] == [2]
    await world.link({"bob": "ann"})
    assert [overlap.persons for overlap in await largest_overlaps(counting, tenant_id)] == [1]
    await change(database, tenant_id, "UPDATE segments SET name = 'Renamed'")
    assert [overlap.names for overlap in await largest_overlaps(counting, tenant_id)] == [("Renamed", "Renamed")]
    await change(database, tenant_id, "DELETE FROM memberships WHERE segment_id = :id", id=world.segments[0].id)
    await change(database, tenant_id, "DELETE FROM segments WHERE id = :id", id=world.segments[0].id)
    assert await largest_overlaps(counting, tenant_id) == []


async def test_whoever_asks_meanwhile_gets_what_is_counted_once(
    settings: Settings, counting: MemberCounting, world: World, tenant_id: int
) -> None:
    await world.add({"ann"}, {"ann"})
    async with held_up(settings):
        asking = [asyncio.create_task(counting.of(tenant_id, seconds=SECONDS)) for _ in range(50)]
        with pytest.raises(StillCounting):
            await counting.of(tenant_id, seconds=0.3)
        asking.pop().cancel()
    found = await asyncio.gather(*asking)
    assert len({id(counts) for counts in found}) == 1
    assert await counting.of(tenant_id, seconds=SECONDS) is found[0]


async def test_who_asks_after_a_change_is_not_told_what_was_begun_before(
    settings: Settings, counting: MemberCounting, world: World, tenant_id: int, database: Database
) -> None:
    await world.add({"ann"}, {"ann"})
    async with held_up(settings):
        before = asyncio.create_task(counting.of(tenant_id, seconds=SECONDS))
        with pytest.raises(StillCounting):
            await counting.of(tenant_id, seconds=0.3)
        await world.link({"bob": "ann"})
        after = asyncio.create_task(counting.of(tenant_id, seconds=SECONDS))
    assert (await before).state != (await after).state
    assert await counting.of(tenant_id, seconds=SECONDS) is await after


async def test_what_failed_is_tried_again(
    counting: MemberCounting, world: World, tenant_id: int, settings: Settings
) -> None:
    await world.add({"ann"}, {"ann"})
    async with held_up(settings) as connection:
        asking = asyncio.create_task(counting.of(tenant_id, seconds=SECONDS))
        with pytest.raises(StillCounting):
            await counting.of(tenant_id, seconds=0.3)
        await connection.execute(END_WAITING)
    with pytest.raises(Unavailable):
        await asking
    assert [overlap.persons for overlap in await largest_overlaps(counting, tenant_id)] == [1]
