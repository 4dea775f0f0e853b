"""SQL of the ingestion service: the list of refused events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.ingestion import event_errors


@dataclass(frozen=True, kw_only=True, slots=True)
class EventError:
    """A refused event; `event_type` and `user_id` as sent, cut to their limits."""

    received_at: datetime
    event_type: str
    user_id: str
    error: str


async def add_errors(connection: AsyncConnection, tenant_id: int, errors: Sequence[EventError]) -> None:
    """Writes refused events of one tenant."""
    rows = [
        {
            "tenant_id": tenant_id,
            "received_at": error.received_at,
            "event_type": error.event_type,
            "user_id": error.user_id,
            "error": error.error,
        }
        for error in errors
    ]
    await connection.execute(insert(event_errors), rows)


async def count_errors(connection: AsyncConnection, since: datetime, event_type: str) -> int:
    """How many events, of a type if one is given, were refused since then in the connection's tenant."""
    query = select(func.count()).select_from(event_errors).where(*_those(since, event_type))
    return (await connection.execute(query)).scalar_one()


async def list_errors(
    connection: AsyncConnection, since: datetime, event_type: str, *, limit: int, offset: int
) -> list[EventError]:
    """The same events, newest first."""
    columns = event_errors.c
    query = (
        select(columns.received_at, columns.event_type, columns.user_id, columns.error)
        .where(*_those(since, event_type))
        .order_by(columns.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [EventError(**row) for row in (await connection.execute(query)).mappings()]


async def forget_errors(connection: AsyncConnection, days: int) -> None:
    """Deletes what is older, for every tenant."""
    await connection.execute(text("SELECT forget_event_errors(make_interval(days => :days))"), {"days": days})


def _those(since: datetime, event_type: str) -> list[ColumnElement[bool]]:
    columns = event_errors.c
    return [columns.received_at >= since, *([columns.event_type == event_type] if event_type else [])]
