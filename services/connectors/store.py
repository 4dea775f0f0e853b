"""SQL of connectors and their logs. Sessions are one tenant's: row-level security hides every other tenant's rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.connectors import activation_logs, activations
from services.schema.segments import segments

_WITH_SEGMENT = select(activations, segments.c.name.label("segment_name"), segments.c.last_run_id).join(
    segments, segments.c.id == activations.c.segment_id
)


async def count_activations(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.count()).select_from(activations))).scalar_one())


async def list_activations(connection: AsyncConnection, *, limit: int, offset: int) -> Sequence[Row[Any]]:
    """Connectors by id, each with name and last run of its segment."""
    statement = _WITH_SEGMENT.order_by(activations.c.id).limit(limit).offset(offset)
    return (await connection.execute(statement)).all()


async def find_activation(connection: AsyncConnection, activation_id: int) -> Row[Any] | None:
    """A connector with name and last run of its segment."""
    return (await connection.execute(_WITH_SEGMENT.where(activations.c.id == activation_id))).one_or_none()


async def lock_activation(connection: AsyncConnection, activation_id: int) -> Row[Any] | None:
    """The same, locked against other changes until the transaction ends."""
    # A row that was waited for is read anew: it may have another segment by now.
    await connection.execute(select(activations.c.id).where(activations.c.id == activation_id).with_for_update())
    return await find_activation(connection, activation_id)


async def lock_active(connection: AsyncConnection, segment_id: int) -> Sequence[Row[Any]]:
    """The active connectors of a segment, locked until the transaction ends: each as the last change before left it."""
    statement = (
        select(activations)
        .where(activations.c.segment_id == segment_id, activations.c.status == "active")
        .order_by(activations.c.id)
        .with_for_update()
    )
    return (await connection.execute(statement)).all()


async def keep_segment(connection: AsyncConnection, segment_id: int) -> bool:
    """Keeps a segment from being deleted until the transaction ends; False when there is none."""
    statement = select(segments.c.id).where(segments.c.id == segment_id).with_for_update(read=True, key_share=True)
    return (await connection.execute(statement)).one_or_none() is not None


async def add_activation(connection: AsyncConnection, columns: Mapping[str, object]) -> Row[Any]:
    """A new connector, as by `find_activation`."""
    added = insert(activations).values(**columns).returning(activations.c.id)
    activation_id = (await connection.execute(added)).scalar_one()
    return (await connection.execute(_WITH_SEGMENT.where(activations.c.id == activation_id))).one()


async def change_activation(connection: AsyncConnection, activation_id: int, columns: Mapping[str, object]) -> Row[Any]:
    """A connector with columns changed, as by `find_activation`."""
    await connection.execute(update(activations).where(activations.c.id == activation_id).values(**columns))
    return (await connection.execute(_WITH_SEGMENT.where(activations.c.id == activation_id))).one()


async def delete_activation(connection: AsyncConnection, activation_id: int) -> bool:
    """Deletes a connector with its logs; False when there is none."""
    statement = delete(activations).where(activations.c.id == activation_id).returning(activations.c.id)
    return (await connection.execute(statement)).one_or_none() is not None


async def count_logs(connection: AsyncConnection, activation_id: int) -> int:
    statement = (
        select(func.count()).select_from(activation_logs).where(activation_logs.c.activation_id == activation_id)
    )
    return int((await connection.execute(statement)).scalar_one())


async def list_logs(connection: AsyncConnection, activation_id: int, *, limit: int, offset: int) -> Sequence[Row[Any]]:
    """The attempts of a connector's syncs, newest first."""
    statement = (
        select(activation_logs)
        .where(activation_logs.c.activation_id == activation_id)
        .order_by(activation_logs.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return (await connection.execute(statement)).all()


async def forget_attempts(connection: AsyncConnection, days: int) -> None:
    """Deletes logs, and deliveries that are not tried any more, which are older, for every tenant."""
    await connection.execute(text("SELECT forget_attempts(make_interval(days => :days))"), {"days": days})
