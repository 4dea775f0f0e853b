"""What a compute does when the warehouse or the segment goes away in its middle: the order of things is scripted."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime

import pytest

from services.kit.errors import Failure, Unavailable
from services.kit.postgres import Database
from services.segments import compute, store
from services.segments.compute import Computer
from tests.integration.segments.calling import Tenant, at_least

Script = Callable[[], Awaitable[None]]


class Scripted:
    """A source of matches in which something happens after the first chunk."""

    def __init__(self, then: Script) -> None:
        self._then = then

    async def stream(self, tenant_id: int, definition: object, now: datetime) -> AsyncGenerator[bytes]:
        yield b"u1\nu2\n"
        await self._then()
        yield b"u3\n"


def raising(error: Exception) -> Script:
    async def script() -> None:
        raise error

    return script


async def nothing() -> None:
    """Lets the stream go on."""


async def waiting_segment(tenant: Tenant, database: Database) -> int:
    """A segment that waits for its compute, with no job that would run it."""
    segment = await tenant.create(definition=at_least("seen"))
    async with database.tenant(tenant.id) as connection:
        await store.change_segment(connection, segment.id, {"status": "computing"})
    return segment.id


async def test_a_segment_deleted_while_users_stream_ends_the_compute_quietly(
    tenant: Tenant, database: Database
) -> None:
    segment_id = await waiting_segment(tenant, database)

    async def delete() -> None:
        await tenant.delete(segment_id)

    await Computer(database, Scripted(delete)).run(tenant.id, segment_id, retries=0)
    assert await tenant.membership("u1") == []


async def test_a_job_that_runs_a_second_time_changes_nothing(tenant: Tenant, database: Database) -> None:
    segment_id = await waiting_segment(tenant, database)
    computer = Computer(database, Scripted(nothing))
    await computer.run(tenant.id, segment_id, retries=0)
    before = await tenant.get(segment_id)
    assert (before.status, before.member_count) == ("computed", 3)
    await computer.run(tenant.id, segment_id, retries=1)
    assert await tenant.get(segment_id) == before


@pytest.mark.parametrize("retries", range(compute.MOST_RETRIES))
async def test_a_warehouse_that_is_away_is_tried_again(tenant: Tenant, database: Database, retries: int) -> None:
    segment_id = await waiting_segment(tenant, database)
    with pytest.raises(Unavailable):
        await Computer(database, Scripted(raising(Unavailable()))).run(tenant.id, segment_id, retries=retries)
    assert (await tenant.get(segment_id)).status == "computing"
    assert await tenant.walk(segment_id, 10) == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unavailable(), compute.AWAY),
        (Unavailable("The query took too long."), "The query took too long."),
        (Failure("A sentence."), "A sentence."),
        (RuntimeError("an internal detail"), compute.UNEXPECTED),
    ],
)
async def test_the_last_try_says_why_it_failed(tenant: Tenant, database: Database, error: Exception, told: str) -> None:
    segment_id = await waiting_segment(tenant, database)
    script = Scripted(raising(error))
    await Computer(database, script).run(tenant.id, segment_id, retries=compute.MOST_RETRIES)
    failed = await tenant.get(segment_id)
    assert (failed.status, failed.last_error.string_value) == ("failed", told)
    assert await tenant.walk(segment_id, 10) == []


async def test_a_compute_that_kills_its_process_again_and_again_is_given_up(tenant: Tenant, database: Database) -> None:
    segment_id = await waiting_segment(tenant, database)
    await Computer(database, Scripted(nothing)).run(tenant.id, segment_id, retries=compute.MOST_RETRIES + 1)
    failed = await tenant.get(segment_id)
    assert (failed.status, failed.last_error.string_value) == ("failed", compute.INTERRUPTED)
