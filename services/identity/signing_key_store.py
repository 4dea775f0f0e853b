"""SQL of the keys that sign tokens. The order in which they sign is that of `signs_from`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, exists, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.identity import signing_keys

# Any constant: whoever adds keys takes turns on it.
ADVISORY_LOCK = 7_382_012


async def lock(connection: AsyncConnection) -> None:
    """Until the transaction ends, nobody else adds a key."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})


async def list_keys(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Every key in the order in which they sign; `has_begun` says whose time has come."""
    has_begun = (signing_keys.c.signs_from <= func.now()).label("has_begun")
    statement = select(signing_keys, has_begun).order_by(signing_keys.c.signs_from, signing_keys.c.created_at)
    return (await connection.execute(statement)).all()


async def has_key(connection: AsyncConnection, key_id: str) -> bool:
    return bool(await connection.scalar(select(exists().where(signing_keys.c.id == key_id))))


async def add_key(
    connection: AsyncConnection, *, key_id: str, public_key: bytes, private_key: bytes, signs_after: timedelta
) -> Row[Any]:
    statement = insert(signing_keys).values(
        id=key_id, public_key=public_key, private_key=private_key, signs_from=func.now() + signs_after
    )
    return (await connection.execute(statement.returning(*signing_keys.c))).one()


async def delete_all(connection: AsyncConnection) -> None:
    await connection.execute(delete(signing_keys))


async def delete_superseded(connection: AsyncConnection, *, since: timedelta) -> None:
    """Deletes the keys whose successor has been signing for longer than `since`."""
    later = signing_keys.alias()
    superseded = exists().where(later.c.signs_from > signing_keys.c.signs_from, later.c.signs_from < func.now() - since)
    await connection.execute(delete(signing_keys).where(superseded))
