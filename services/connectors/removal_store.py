"""SQL of telling destinations that users were erased. Sessions are one tenant's, but for `due`."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Table, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.connectors import activation_logs, activations, erasure_removals

# Connectors of whose segments the ledger knows one of the users: of those that they send, have sent, or are on the way
# to. Also one that has sent nothing yet: it may begin before the ledger forgets.
_FIND = text("""
    INSERT INTO erasure_removals (erasure_id, activation_id, tenant_id, user_ids)
    SELECT :erasure_id, activations.id, :tenant_id, :user_ids
    FROM activations
    WHERE tenant_id = :tenant_id AND EXISTS (
      SELECT FROM memberships
      WHERE memberships.segment_id IN (activations.segment_id, sent_segment_id, target_segment_id)
        AND user_id = ANY (:user_ids)
      UNION ALL
      SELECT FROM membership_changes AS changes
      JOIN segment_runs AS runs ON runs.segment_id = changes.segment_id AND runs.id = changes.run_id
      WHERE runs.segment_id IN (activations.segment_id, sent_segment_id, target_segment_id)
        AND (runs.entered > 0 OR runs.exited > 0) AND user_id = ANY (:user_ids))
    ON CONFLICT DO NOTHING""")

# Any user of the segments before one, in the place of which the bound of a sync is the same for everybody else.
_BEFORE = text("""
    SELECT coalesce(max(user_id), '') FROM (
      SELECT max(user_id) AS user_id FROM memberships
      WHERE segment_id = ANY (:segment_ids) AND user_id < :user_id AND user_id <> ALL (:user_ids)
      UNION ALL
      SELECT max(user_id) FROM membership_changes
      WHERE segment_id = ANY (:segment_ids) AND user_id < :user_id AND user_id <> ALL (:user_ids)) AS others""")

# Texts of destinations, which may name users.
TEXTS: Mapping[Table, Sequence[str]] = {
    activation_logs: ("error_message",),
    activations: ("last_error", "skip_reason"),
    erasure_removals: ("last_error",),
}
NAMELESS = "***"


async def find(connection: AsyncConnection, tenant_id: int, erasure_id: int, user_ids: Sequence[str]) -> None:
    """Notes the connectors that may have sent users."""
    values = {"tenant_id": tenant_id, "erasure_id": erasure_id, "user_ids": list(user_ids)}
    await connection.execute(_FIND, values)


async def begin(connection: AsyncConnection, erasure_id: int) -> Sequence[int]:
    """Lets the connectors that were noted begin: those that had not."""
    statement = (
        update(erasure_removals)
        .where(
            erasure_removals.c.erasure_id == erasure_id,
            erasure_removals.c.user_ids != [],
            erasure_removals.c.next_attempt_at.is_(None),
        )
        .values(next_attempt_at=func.now())
        .returning(erasure_removals.c.activation_id)
    )
    return list((await connection.execute(statement)).scalars())


async def of_erasure(connection: AsyncConnection, erasure_id: int) -> Sequence[Row[Any]]:
    """What became of the connectors that were noted."""
    statement = select(erasure_removals).where(erasure_removals.c.erasure_id == erasure_id)
    return (await connection.execute(statement.order_by(erasure_removals.c.activation_id))).all()


async def of_activation(connection: AsyncConnection, activation_id: int) -> Sequence[Row[Any]]:
    """What a connector has to tell by now."""
    statement = select(erasure_removals).where(
        erasure_removals.c.activation_id == activation_id, erasure_removals.c.next_attempt_at <= func.now()
    )
    return (await connection.execute(statement)).all()


async def change(
    connection: AsyncConnection, activation_id: int, erasure_ids: Collection[int], columns: Mapping[str, object]
) -> None:
    """Records what became of what a connector had to tell."""
    told = (erasure_removals.c.activation_id == activation_id) & erasure_removals.c.erasure_id.in_(erasure_ids)
    await connection.execute(update(erasure_removals).where(told).values(**columns))


async def forget(connection: AsyncConnection, erasure_id: int) -> None:
    """Drops what was noted for an erasure."""
    await connection.execute(delete(erasure_removals).where(erasure_removals.c.erasure_id == erasure_id))


async def due(connection: AsyncConnection, most: int) -> Sequence[Row[int, int]]:
    """Tenants and connectors, of all tenants, that failed to tell something and are to try again by now."""
    statement = text("SELECT tenant_id, activation_id FROM due_removals(:most)")
    return (await connection.execute(statement, {"most": most})).all()


async def user_before(
    connection: AsyncConnection, segment_ids: Collection[int], user_id: str, user_ids: Sequence[str]
) -> str:
    """The last user of some segments before one, who is none of `user_ids`; empty without one."""
    values = {"segment_ids": list(segment_ids), "user_id": user_id, "user_ids": list(user_ids)}
    return str((await connection.execute(_BEFORE, values)).scalar_one())


async def take_names_out(connection: AsyncConnection, user_ids: Sequence[str]) -> None:
    """Takes the ids of users out of texts of destinations, where they are words of their own."""
    for table, names in TEXTS.items():
        for column in (table.c[name] for name in names):
            for user_id in user_ids:
                word = rf"(?<![[:alnum:]_]){re.escape(user_id)}(?![[:alnum:]_])"
                without = func.regexp_replace(column, word, NAMELESS, "g")
                has_it = func.strpos(column, user_id) > 0
                await connection.execute(update(table).where(has_it).values({column: without}))
