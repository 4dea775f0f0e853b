"""SQL of attempts to sign in. What expires here does so by PostgreSQL's clock."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.identity import known_addresses, sign_in_attempts, users


async def find_person(connection: AsyncConnection, *, email: str, address: bytes) -> Row[Any] | None:
    """The person with an email, whatever its case; `is_known_here` says whether that address is known of them."""
    is_known = exists().where(known_addresses.c.user_id == users.c.id, known_addresses.c.address == address)
    statement = select(users, is_known.label("is_known_here")).where(func.lower(users.c.email) == email.lower())
    return (await connection.execute(statement)).one_or_none()


async def lock(connection: AsyncConnection, names: Sequence[bytes]) -> None:
    """Until the transaction ends, nobody else begins an attempt under these names."""
    # One order for all, or two could wait for each other.
    keys = sorted(int.from_bytes(name[:8], signed=True) for name in names)
    statement = text("SELECT pg_advisory_xact_lock(key) FROM unnest(:keys ::bigint[]) AS key")
    await connection.execute(statement, {"keys": keys})


async def recent(
    connection: AsyncConnection, *, account: bytes, address: bytes, window: timedelta
) -> Sequence[Row[Any]]:
    """Attempts at an account or from an address, oldest first; `age` is a time span."""
    age = func.clock_timestamp() - sign_in_attempts.c.started_at
    statement = (
        select(sign_in_attempts, age.label("age"))
        .where(or_(sign_in_attempts.c.account == account, sign_in_attempts.c.address == address), age < window)
        .order_by(sign_in_attempts.c.started_at)
    )
    return (await connection.execute(statement)).all()


async def begin(connection: AsyncConnection, *, attempt_id: uuid.UUID, account: bytes, address: bytes) -> None:
    values = {"id": attempt_id, "account": account, "address": address}
    await connection.execute(insert(sign_in_attempts).values(values))


async def fail(connection: AsyncConnection, attempt_id: uuid.UUID) -> None:
    """Keeps an attempt as one whose password was wrong."""
    statement = update(sign_in_attempts).where(sign_in_attempts.c.id == attempt_id).values(is_running=False)
    await connection.execute(statement)


async def give_back(connection: AsyncConnection, attempt_id: uuid.UUID) -> None:
    """As if the attempt had not been made."""
    await connection.execute(delete(sign_in_attempts).where(sign_in_attempts.c.id == attempt_id))


async def forget_attempts(connection: AsyncConnection, *, older_than: timedelta) -> None:
    old = sign_in_attempts.c.started_at < func.clock_timestamp() - older_than
    await connection.execute(delete(sign_in_attempts).where(old))


async def remember_address(connection: AsyncConnection, *, user_id: int, address: bytes, keep: timedelta) -> None:
    """Notes that a person has shown the password from an address, and forgets those not seen for so long."""
    statement = upsert(known_addresses).values(user_id=user_id, address=address)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["user_id", "address"], set_={"seen_at": func.now()})
    )
    unseen = (known_addresses.c.user_id == user_id) & (known_addresses.c.seen_at < func.now() - keep)
    await connection.execute(delete(known_addresses).where(unseen))
