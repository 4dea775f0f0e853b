"""What a compute does when something else happens in its middle: the order of things is scripted."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import Failure, Unavailable
from services.kit.postgres import Database
from services.segments import compute, store
from services.segments.compute import Computer
from services.segments.evaluation import Evaluation
from services.segments.queueing import Cause, QueuedCompute
from services.segments.references import references
from tests.integration.segments.calling import Tenant, at_least, member_of
from tests.integration.segments.ledger import runs

Script = Callable[[], Awaitable[None]]


class Scripted:
    """A source of matches in which something happens after the first user."""

    def __init__(self, database: Database, user_ids: Sequence[str], then: Script) -> None:
        self._database = database
        self._user_ids = user_ids
        self._then = then

    async def ready(self, tenant_id: int, definition: object, now: datetime) -> Evaluation:
        async with self._database.tenant(tenant_id) as connection:
            runs = await store.keep_segments(connection, references(definition).values())
        return Evaluation(definition=definition, now=now, runs=runs)

    async def stream(self, tenant_id: int, evaluation: Evaluation) -> AsyncGenerator[bytes]:
        for number, user_id in enumerate(self._user_ids):
            if number == 1:
                await self._then()
            yield f"{user_id}\n".encode()


class Recorded:
    """A queue without workers."""

    def __init__(self) -> None:
        self.computes: list[QueuedCompute] = []
        self.announced: list[int] = []

    async def put(self, connection: AsyncConnection, compute: QueuedCompute) -> None:
        self.computes.append(compute)

    async def announce(self, connection: AsyncConnection, *, tenant_id: int, segment_id: int, run_id: int) -> None:
        self.announced.append(run_id)


async def run(
    database: Database,
    tenant: Tenant,
    segment_id: int,
    script: Script,
    *,
    retries: int = 0,
    user_ids: Sequence[str] = ("u1", "u2", "u3"),
    queue: Recorded | None = None,
) -> list[QueuedCompute]:
    """Runs a compute; what it queued, and what `queue` had before, if there is one."""
    queue = queue or Recorded()
    compute = QueuedCompute(tenant_id=tenant.id, segment_id=segment_id, cause=Cause.REQUESTED)
    await Computer(database, Scripted(database, user_ids, script), queue).run(compute, retries=retries)
    return queue.computes


def raising(error: Exception) -> Script:
    async def script() -> None:
        raise error

    return script


async def nothing() -> None:
    """Lets the stream go on."""


async def waiting_segment(tenant: Tenant, database: Database, definition: Mapping[str, object] | None = None) -> int:
    """A segment that waits for its compute, with no job that would run it."""
    segment = await tenant.create(definition=definition or at_least("seen"))
    await wait(tenant, database, segment.id)
    return segment.id


async def wait(tenant: Tenant, database: Database, segment_id: int) -> None:
    """Makes a segment wait for a compute, with no job that would run it."""
    async with database.tenant(tenant.id) as connection:
        await store.change_segment(connection, segment_id, {"status": "computing"})


async def test_a_segment_deleted_while_users_stream_ends_the_compute_quietly(
    tenant: Tenant, database: Database
) -> None:
    segment_id = await waiting_segment(tenant, database)

    async def delete() -> None:
        await tenant.delete(segment_id)

    await run(database, tenant, segment_id, delete)
    assert await tenant.membership("u1") == []


async def test_a_job_that_runs_a_second_time_changes_nothing(tenant: Tenant, database: Database) -> None:
    segment_id = await waiting_segment(tenant, database)
    await run(database, tenant, segment_id, nothing)
    before = await tenant.get(segment_id)
    assert (before.status, before.member_count) == ("computed", 3)
    await run(database, tenant, segment_id, nothing, retries=1)
    assert await tenant.get(segment_id) == before


async def test_connectors_are_told_of_every_compute_that_succeeds_and_of_no_other(
    tenant: Tenant, database: Database
) -> None:
    segment_id, queue = await waiting_segment(tenant, database), Recorded()
    for _ in range(2):
        await wait(tenant, database, segment_id)
        await run(database, tenant, segment_id, nothing, queue=queue)
    await wait(tenant, database, segment_id)
    await run(database, tenant, segment_id, raising(Failure("It failed.")), queue=queue)
    # The second one changed nothing; a receiver hears of it all the same.
    assert queue.announced == [row.id for row in await runs(database, tenant, segment_id)]
    assert len(queue.announced) == 2


@pytest.mark.parametrize("retries", range(compute.MOST_RETRIES))
async def test_a_warehouse_that_is_away_is_tried_again(tenant: Tenant, database: Database, retries: int) -> None:
    segment_id = await waiting_segment(tenant, database)
    with pytest.raises(Unavailable):
        await run(database, tenant, segment_id, raising(Unavailable()), retries=retries)
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
    await run(database, tenant, segment_id, raising(error), retries=compute.MOST_RETRIES)
    failed = await tenant.get(segment_id)
    assert (failed.status, failed.last_error.string_value) == ("failed", told)
    assert await tenant.walk(segment_id, 10) == []


async def test_a_compute_that_kills_its_process_again_and_again_is_given_up(tenant: Tenant, database: Database) -> None:
    segment_id = await waiting_segment(tenant, database)
    await run(database, tenant, segment_id, nothing, retries=compute.MOST_RETRIES + 1)
    failed = await tenant.get(segment_id)
    assert (failed.status, failed.last_error.string_value) == ("failed", compute.INTERRUPTED)


async def test_a_compute_is_put_off_while_a_segment_that_it_refers_to_is_computing(
    tenant: Tenant, database: Database
) -> None:
    first = await waiting_segment(tenant, database)
    second = (await tenant.create(definition=member_of(first))).id
    third = await waiting_segment(tenant, database, member_of(second))
    [put_off] = await run(database, tenant, third, nothing)
    assert (put_off.segment_id, put_off.cause, put_off.waits) == (third, Cause.REQUESTED, 1)
    assert (await tenant.get(third)).status == "computing"
    await run(database, tenant, first, raising(Failure("It failed.")))
    assert await run(database, tenant, third, nothing) == []
    assert (await tenant.get(third)).status == "computed"


async def test_those_who_refer_to_a_segment_are_queued_when_it_has_changed(tenant: Tenant, database: Database) -> None:
    base = await waiting_segment(tenant, database)
    follower, inactive, undefined = [await waiting_segment(tenant, database, at_least("seen")) for _ in range(3)]
    for segment_id in (follower, inactive, undefined):
        await run(database, tenant, segment_id, nothing)
        await tenant.update(segment_id, definition=member_of(base))
    await tenant.update(inactive, is_active=False)
    await tenant.update(undefined, definition=None)
    await tenant.create("never computed", definition=member_of(base))
    [queued] = await run(database, tenant, base, nothing)
    assert (queued.segment_id, queued.cause) == (follower, Cause.DEPENDENCY)
    assert (await tenant.get(follower)).status == "computing"
    await wait(tenant, database, base)
    assert await run(database, tenant, base, nothing) == []


async def test_a_compute_that_is_overtaken_by_a_change_is_queued_again(tenant: Tenant, database: Database) -> None:
    base = await waiting_segment(tenant, database)
    follower = await waiting_segment(tenant, database, member_of(base))
    await run(database, tenant, base, nothing)

    async def recompute_base() -> None:
        await wait(tenant, database, base)
        assert await run(database, tenant, base, nothing) == []

    assert await run(database, tenant, follower, recompute_base) == []
    assert (await tenant.get(follower)).status == "computed"

    async def change_base() -> None:
        await wait(tenant, database, base)
        assert await run(database, tenant, base, nothing, user_ids=["u1", "other"]) == []

    await wait(tenant, database, follower)
    [again] = await run(database, tenant, follower, change_base)
    assert (again.segment_id, again.cause, again.waits) == (follower, Cause.DEPENDENCY, 0)
    assert (await tenant.get(follower)).status == "computing"
    assert await run(database, tenant, follower, nothing) == []
    assert (await tenant.get(follower)).status == "computed"
