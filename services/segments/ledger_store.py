"""SQL of the ledger: what computes write, and what is read of it. Sessions are one tenant's, as in `store`."""

from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.postgres import driver_connection
from services.schema.segments import membership_changes, segment_runs
from services.segments.erasure_store import being_erased

# First half of the advisory locks that let one compute of a segment run at a time; the second half is the segment's id.
COMPUTE_LOCK = 7_382_012


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One compute as the ledger records it, beside how many entered and exited."""

    tenant_id: int
    segment_id: int
    version: int
    cause: str
    computed_at: datetime
    member_count: int


async def take_compute_turn(connection: AsyncConnection, segment_id: int) -> None:
    """Waits until no other transaction computes the segment, and keeps others out until this one ends."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(:space, :segment_id)"), {"space": COMPUTE_LOCK, "segment_id": segment_id}
    )


async def copy_matches(connection: AsyncConnection, chunks: AsyncIterable[bytes]) -> int:
    """Streams user ids, one a line in COPY's text format, into the transaction's own table `matches`; how many.

    Whoever is being erased is left out.
    """
    driver = driver_connection(connection)
    await driver.execute('CREATE TEMPORARY TABLE matches (user_id text COLLATE "C") ON COMMIT DROP')
    async with driver.cursor() as cursor:
        async with cursor.copy("COPY matches (user_id) FROM STDIN") as copy:
            async for chunk in chunks:
                await copy.write(chunk)
        count = cursor.rowcount
    if gone := await being_erased(connection):
        statement = text("DELETE FROM matches WHERE user_id = ANY (:user_ids)")
        count -= (await connection.execute(statement, {"user_ids": list(gone)})).rowcount
    return count


async def write_run(connection: AsyncConnection, run: Run) -> Row[Any]:
    """Writes the difference between `matches` and the membership into the ledger: `id`, `entered` and `exited`."""
    statement = text("""
        WITH run AS (SELECT nextval('segment_runs_id_seq') AS id),
        changes AS (
          INSERT INTO membership_changes (segment_id, run_id, user_id, tenant_id, entered)
          SELECT :segment_id, (SELECT id FROM run), coalesce(matches.user_id, members.user_id), :tenant_id,
            members.user_id IS NULL
          FROM matches FULL JOIN (SELECT user_id FROM memberships WHERE segment_id = :segment_id) AS members
            ON members.user_id = matches.user_id
          WHERE matches.user_id IS NULL OR members.user_id IS NULL
          ORDER BY 3
          RETURNING entered)
        INSERT INTO segment_runs (id, tenant_id, segment_id, version, cause, computed_at, member_count, entered, exited)
        SELECT run.id, :tenant_id, :segment_id, :version, :cause, :computed_at, :member_count,
          count(*) FILTER (WHERE changes.entered), count(*) FILTER (WHERE NOT changes.entered)
        FROM run LEFT JOIN changes ON true GROUP BY run.id
        RETURNING id, entered, exited""")
    return (await connection.execute(statement, asdict(run))).one()


async def apply_run(connection: AsyncConnection, segment_id: int, run_id: int, *, linked: bool) -> None:
    """Changes the membership as the ledger says.

    `linked`: the tenant has links between user ids. Who leaves because another id stands for them now does not leave as
    a person, who has been in since then.
    """
    # An array and not a join: nobody has statistics of a run that is being written, and joins are planned badly.
    exits = text("""
        DELETE FROM memberships WHERE segment_id = :segment_id AND user_id = ANY (ARRAY(
          SELECT user_id FROM membership_changes
          WHERE segment_id = :segment_id AND run_id = :run_id AND NOT entered))""")
    # Sorted, which the indexes take fastest.
    entries = text("""
        INSERT INTO memberships (tenant_id, user_id, segment_id, entered_at)
        SELECT changes.tenant_id, user_id, changes.segment_id, computed_at
        FROM membership_changes AS changes JOIN segment_runs ON segment_runs.id = run_id
        WHERE changes.segment_id = :segment_id AND run_id = :run_id AND changes.entered
        ORDER BY user_id""")
    since = text("""
        WITH earlier AS (
          SELECT links.person_id, min(members.entered_at) AS entered_at
          FROM membership_changes AS changes
          JOIN user_links AS links ON links.tenant_id = changes.tenant_id AND links.user_id = changes.user_id
          JOIN memberships AS members ON members.segment_id = :segment_id AND members.user_id = changes.user_id
          WHERE changes.segment_id = :segment_id AND run_id = :run_id AND NOT changes.entered
          GROUP BY links.person_id)
        UPDATE memberships SET entered_at = least(memberships.entered_at, earlier.entered_at)
        FROM earlier WHERE memberships.segment_id = :segment_id AND memberships.user_id = earlier.person_id""")
    for statement in (entries, since, exits) if linked else (exits, entries):
        await connection.execute(statement, {"segment_id": segment_id, "run_id": run_id})


async def has_later_changes(connection: AsyncConnection, runs: Mapping[int, int]) -> bool:
    """Whether the membership of a segment changed after the run given for it."""
    statement = text("""
        SELECT EXISTS (
          SELECT FROM unnest(CAST(:segment_ids AS int[]), CAST(:run_ids AS bigint[])) AS seen (segment_id, run_id)
          JOIN segment_runs ON segment_runs.segment_id = seen.segment_id AND segment_runs.id > seen.run_id
          WHERE entered > 0 OR exited > 0)""")
    values = {"segment_ids": list(runs.keys()), "run_ids": list(runs.values())}
    return bool(await connection.scalar(statement, values))


async def copy_changes(
    connection: AsyncConnection, segment_id: int, *, after: tuple[int, str], last_run: int
) -> AsyncGenerator[bytes]:
    """Changes in the ledger's order, those after a run's user up to a run, as the warehouse's mirror takes them."""
    statement = """
        COPY (
          SELECT run_id, user_id, changes.entered::int,
            to_char(computed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')
          FROM membership_changes AS changes JOIN segment_runs ON segment_runs.id = run_id
          WHERE changes.segment_id = %(segment_id)s AND run_id <= %(last_run)s
            AND (run_id, user_id) > (%(after_run)s, %(after_user)s)
          ORDER BY run_id, user_id
        ) TO STDOUT"""
    values = {"segment_id": segment_id, "last_run": last_run, "after_run": after[0], "after_user": after[1]}
    async with driver_connection(connection).cursor() as cursor, cursor.copy(statement, values) as rows:
        async for row in rows:
            yield bytes(row)


async def first_run_after(connection: AsyncConnection, segment_id: int, since: datetime) -> int | None:
    """The first run of a segment later than `since`; None when there is none yet."""
    statement = (
        select(segment_runs.c.id)
        .where(segment_runs.c.segment_id == segment_id, segment_runs.c.computed_at > since)
        .order_by(segment_runs.c.id)
        .limit(1)
    )
    return (await connection.execute(statement)).scalar_one_or_none()


async def count_changes(connection: AsyncConnection, segment_id: int, *, first_run: int) -> int:
    """How many changes there are from a run on."""
    changes = func.coalesce(func.sum(segment_runs.c.entered + segment_runs.c.exited), 0)
    statement = select(changes).where(segment_runs.c.segment_id == segment_id, segment_runs.c.id >= first_run)
    return int((await connection.execute(statement)).scalar_one())


async def list_changes(
    connection: AsyncConnection, segment_id: int, *, after: tuple[int, str], limit: int
) -> Sequence[Row[Any]]:
    """Changes in the ledger's order, those after a run's user, each with what is known of its run."""
    changes, place = membership_changes.c, tuple_(membership_changes.c.run_id, membership_changes.c.user_id)
    page = (
        select(changes.run_id, changes.user_id, changes.entered)
        .where(changes.segment_id == segment_id, place > after)
        .order_by(changes.run_id, changes.user_id)
        .limit(limit)
        .subquery()
    )
    statement = (
        select(page, segment_runs.c.version, segment_runs.c.computed_at, segment_runs.c.cause)
        .join(segment_runs, segment_runs.c.id == page.c.run_id)
        .order_by(page.c.run_id, page.c.user_id)
    )
    return (await connection.execute(statement)).all()
