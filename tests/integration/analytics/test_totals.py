"""Events, persons and usage, against all events one by one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import text

from services.kit.caller import Caller, Request, mint, serving
from services.kit.channel import connect
from services.kit.errors import NotFound
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.profiles.analytics.member_counts import MemberCounting
from services.profiles.analytics.overview import Overview, overview
from services.profiles.analytics.usage import Usage, usage
from services.profiles.analytics.warehouse import Warehouse as Asked
from tests.integration.analytics.holding import held_up
from tests.integration.analytics.rows import add_links, add_segment
from tests.integration.connectors.ledger import Segment
from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.rows import Event, rows

NOW = datetime(2026, 3, 31, 14, 32, 1, 500_000, tzinfo=UTC)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
MONTH = MIDNIGHT.replace(day=1)
MS = timedelta(milliseconds=1)
WINDOW = timedelta(days=30)
EDGES = [
    moment + step
    for moment in (NOW, NOW - WINDOW, MIDNIGHT, MONTH, MONTH + timedelta(days=31))
    for step in (-MS, MS * 0, MS)
]


def some_events(random: Random, count: int) -> list[Event]:
    """Events around the edges of all windows, and anywhere else."""
    anywhere = [NOW - timedelta(minutes=random.randrange(60 * 24 * 60)) for _ in range(20)]
    return [
        Event(
            user_id=f"user-{random.randrange(30)}",
            event_type=random.choice(["a", "b", "c"]),
            occurred_at=random.choice([*EDGES, *anywhere]),
            received_at=random.choice([*EDGES, *anywhere]),
        )
        for _ in range(count)
    ]


async def bring_in(events: Warehouse, tenant_id: int, some: list[Event]) -> None:
    """Returns when they can be queried."""
    # A message holds the events of one hour.
    sequences = [await events.log.append(tenant_id, rows(tenant_id, event)) for event in some]
    await events.loaded(sequences[-1])


@asynccontextmanager
async def asked(settings: Settings, tenant_id: int) -> AsyncIterator[Asked]:
    """The warehouse, asked for a tenant."""
    caller = Caller(kind="person", tenant_id=tenant_id, user_id=1, role="viewer")
    token = mint(caller, private_key(settings, INTERNAL_KEY))
    async with connect(settings, "warehouse") as channel:
        with serving(Request(id="test-analytics", caller=caller, token=token)):
            yield Asked(channel)


async def seen(settings: Settings, database: Database, tenant_id: int) -> Overview:
    counting = MemberCounting(database)
    async with asked(settings, tenant_id) as warehouse:
        found = await overview(database, counting, warehouse, tenant_id=tenant_id, now=NOW)
    await counting.close()
    return found


async def used(settings: Settings, database: Database, tenant_id: int, now: datetime = NOW) -> Usage:
    async with asked(settings, tenant_id) as warehouse:
        return await usage(database, warehouse.count_stored, tenant_id=tenant_id, now=now)


async def put_on(database: Database, settings: Settings, tenant_id: int, plan: str, own: int | None = None) -> None:
    """Makes a tenant on a plan, or changes it."""
    statement = """
        INSERT INTO tenants (id, slug, name, plan, api_calls_per_minute) OVERRIDING SYSTEM VALUE
        VALUES (:id, :slug, 'n', :plan, :own)
        ON CONFLICT (id) DO UPDATE SET plan = :plan, api_calls_per_minute = :own"""
    identity = Database.connect(settings, role="segops_identity")
    async with identity.system() as connection:
        await connection.execute(
            text(statement), {"id": tenant_id, "slug": f"tenant-{tenant_id}", "plan": plan, "own": own}
        )
    await identity.close()


async def test_all_numbers_are_those_of_all_events(
    settings: Settings, database: Database, events: Warehouse, tenant_id: int, other_tenant_id: int, random: Random
) -> None:
    some = some_events(random, 120)
    await put_on(database, settings, tenant_id, "enterprise")
    await bring_in(events, other_tenant_id, some_events(random, 5))
    await bring_in(events, tenant_id, some)
    persons: dict[str, str] = {}
    for _ in range(3):
        found = (await seen(settings, database, tenant_id)).events
        assert found.all == len(some)
        assert found.in_window == sum(NOW - WINDOW < event.occurred_at <= NOW for event in some)
        assert found.today == sum(MIDNIGHT <= event.occurred_at <= NOW for event in some)
        assert found.users == len({persons.get(event.user_id, event.user_id) for event in some})
        links = dict.fromkeys((f"user-{random.randrange(10)}" for _ in range(3)), f"user-{random.randrange(10, 40)}")
        new = {user_id: person for user_id, person in links.items() if user_id not in persons}
        if new:
            await add_links(database, tenant_id, new)
        persons |= new
    for now in (MONTH, NOW, MONTH + timedelta(days=31) - MS):
        counted = await used(settings, database, tenant_id, now)
        assert (counted.begin, counted.end) == (MONTH, MONTH + timedelta(days=31))
        assert counted.events == sum(MONTH <= event.received_at < MONTH + timedelta(days=31) for event in some)


async def test_segments_and_members_are_summed_and_persons_counted_once(
    settings: Settings, database: Database, tenant_id: int
) -> None:
    for members in ({"ann", "bob"}, {"ann", "anna"}, set[str]()):
        segment = await Segment.create(database, tenant_id)
        await segment.compute(members)
    await add_segment(database, tenant_id, "Draft", is_active=False)
    await add_links(database, tenant_id, {"anna": "ann"})
    found = await seen(settings, database, tenant_id)
    assert (found.segments.all, found.segments.active, found.segments.computed) == (4, 3, 3)
    assert (found.segments.members, found.distinct_members) == (4, 2)


async def test_who_asks_while_members_are_counted_for_long_gets_the_rest(
    settings: Settings, database: Database, tenant_id: int
) -> None:
    await (await Segment.create(database, tenant_id)).compute({"ann"})
    async with held_up(settings):
        found = await seen(settings, database, tenant_id)
    assert (found.segments.members, found.distinct_members) == (1, None)


async def test_a_tenant_with_nothing_has_zeros(settings: Settings, database: Database, tenant_id: int) -> None:
    found = await seen(settings, database, tenant_id)
    assert (found.segments.all, found.segments.members, found.distinct_members, found.activations) == (0, 0, 0, {})
    assert (found.events.all, found.events.in_window, found.events.today, found.events.users) == (0, 0, 0, 0)
    await put_on(database, settings, tenant_id, "free")
    assert (await used(settings, database, tenant_id)).events == 0


@pytest.mark.parametrize(
    ("plan", "own", "events", "calls"),
    [
        ("free", None, 500_000, 60),
        ("business", 5, 50_000_000, 1_000),
        ("enterprise", None, None, None),
        ("enterprise", 70, None, 70),
    ],
)
async def test_limits_are_those_of_the_plan(
    settings: Settings, database: Database, tenant_id: int, plan: str, own: int | None, events: int | None, calls: int
) -> None:
    await put_on(database, settings, tenant_id, plan, own)
    found = await used(settings, database, tenant_id)
    assert (found.plan.name, found.plan.events_per_month, found.api_calls_per_minute) == (plan, events, calls)


async def test_no_tenant_has_no_usage(settings: Settings, database: Database, tenant_id: int) -> None:
    with pytest.raises(NotFound):
        await used(settings, database, tenant_id)
