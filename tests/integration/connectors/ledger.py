"""Segments as their service leaves them: each compute's run and changes in the ledger, and the membership after it."""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import delete, insert, update

from services.kit.jobs import put_for
from services.kit.postgres import Database
from services.schema.segments import membership_changes, memberships, segment_runs, segments
from tests.integration.connectors.rows import add_segment


class Segment:
    """A segment whose computes find what a test says. `runs` holds the members after each run, by its id."""

    def __init__(self, database: Database, tenant_id: int, segment_id: int) -> None:
        self.id = segment_id
        self.tenant_id = tenant_id
        self.members: frozenset[str] = frozenset()
        self.runs: dict[int, frozenset[str]] = {0: frozenset()}
        self._database = database

    @classmethod
    async def create(cls, database: Database, tenant_id: int) -> "Segment":
        """A segment that was never computed."""
        return cls(database, tenant_id, await add_segment(database, tenant_id, last_run_id=None))

    async def compute(self, members: Collection[str], *, is_announced: bool = False) -> int:
        """A compute that finds these users, in one transaction; the id of its run. Announced, it is told of."""
        found = frozenset(members)
        entered, exited = sorted(found - self.members), sorted(self.members - found)
        now, mine = datetime.now(UTC), {"segment_id": self.id, "tenant_id": self.tenant_id}
        async with self._database.tenant(self.tenant_id) as connection:
            run = insert(segment_runs).values(
                version=1,
                cause="requested",
                computed_at=now,
                entered=len(entered),
                exited=len(exited),
                member_count=len(found),
                **mine,
            )
            run_id = int((await connection.execute(run.returning(segment_runs.c.id))).scalar_one())
            changes = [{"user_id": user, "entered": True} for user in entered]
            changes += [{"user_id": user, "entered": False} for user in exited]
            if changes:
                rows = [{**mine, "run_id": run_id, **change} for change in changes]
                await connection.execute(insert(membership_changes), rows)
            if entered:
                members_now = [{**mine, "user_id": user, "entered_at": now} for user in entered]
                await connection.execute(insert(memberships), members_now)
            left = memberships.c.segment_id == self.id, memberships.c.user_id.in_(exited)
            await connection.execute(delete(memberships).where(*left))
            columns = {"last_run_id": run_id, "status": "computed", "member_count": len(found), "last_computed_at": now}
            await connection.execute(update(segments).where(segments.c.id == self.id).values(**columns))
            if is_announced:
                await put_for(
                    "connectors",
                    "computed",
                    connection,
                    tenant_id=self.tenant_id,
                    segment_id=self.id,
                    run_id=run_id,
                    request_id="",
                )
        self.members = found
        self.runs[run_id] = found
        return run_id
