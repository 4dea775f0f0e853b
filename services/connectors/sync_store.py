"""SQL of syncs: how far connectors have come, and what is logged of it. Sessions are one tenant's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.connectors.sync_position import State
from services.schema.connectors import activation_logs, activations
from services.schema.segments import segment_runs, segments

# What tells whether a sync still goes the right way.
_WAY = (activations.c.status, activations.c.sync_once, activations.c.segment_id, activations.c.revision)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """How far a sync has come: which connector, which of its syncs, and up to which user.

    A change that was read at one place is not made at another: two runs of one sync, or a run and whoever resets the
    connector, cannot undo each other.
    """

    activation_id: int
    number: int
    through: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The place in a connector's row."""
        return cls(activation_id=row.id, number=row.sync_number, through=row.sent_through)


async def segment_names(connection: AsyncConnection, activation: Row[Any]) -> Mapping[int, str]:
    """The names of the segments that a connector sends, has sent, or is on its way to."""
    held = (activation.segment_id, activation.sent_segment_id, activation.target_segment_id)
    rows = await connection.execute(select(segments.c.id, segments.c.name).where(segments.c.id.in_(held)))
    return {row.id: row.name for row in rows}


async def announce(connection: AsyncConnection, place: Place, through: str) -> Row[Any] | None:
    """Records that users up to one may be sent from now on: the connector as it is now; None when it is elsewhere."""
    tried = func.greatest(activations.c.tried_through, through)
    return await _change(connection, place, {"tried_through": tried})


async def move(
    connection: AsyncConnection,
    place: Place,
    *,
    through: str,
    added: int,
    removed: int,
    skipped: int,
    skip_reason: str | None,
) -> Row[Any] | None:
    """Records what was accepted, users up to one: the connector as it is now; None when it is elsewhere."""
    columns = {
        "sent_through": through,
        "failing_since": None,
        "added": activations.c.added + added,
        "removed": activations.c.removed + removed,
        "user_count": func.greatest(activations.c.user_count + added - removed, 0),
        "skipped": activations.c.skipped + skipped,
        "skip_reason": func.coalesce(activations.c.skip_reason, skip_reason),
    }
    return await _change(connection, place, columns)


async def member_count(connection: AsyncConnection, state: State) -> int:
    """How many members a segment had after a run."""
    statement = select(segment_runs.c.member_count).where(segment_runs.c.id == state.run_id)
    return int((await connection.execute(statement)).scalar_one_or_none() or 0)


async def add_log(connection: AsyncConnection, activation: Row[Any], columns: Mapping[str, object]) -> None:
    """Logs an attempt of a locked connector with what was accepted since the last log."""
    counted = {name: getattr(activation, name) for name in ("added", "removed", "user_count")}
    await connection.execute(
        insert(activation_logs).values(
            tenant_id=activation.tenant_id, activation_id=activation.id, **counted, **columns
        )
    )
    nothing = {"added": 0, "removed": 0, "skipped": 0, "skip_reason": None}
    await connection.execute(update(activations).where(activations.c.id == activation.id).values(**nothing))


async def _change(connection: AsyncConnection, place: Place, columns: Mapping[str, object]) -> Row[Any] | None:
    statement = (
        update(activations)
        .where(
            activations.c.id == place.activation_id,
            activations.c.sync_number == place.number,
            activations.c.sent_through == place.through,
        )
        .values(**columns)
        .returning(*_WAY)
    )
    return (await connection.execute(statement)).one_or_none()
