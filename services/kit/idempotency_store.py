"""SQL of answers kept for their idempotency key. The tenant of the connection is the caller's, 0 for none."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.idempotency_names import Named


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A request that came before: a hash of its body, and its answer, None while there is none."""

    body_hash: bytes
    answer: bytes | None
    is_failure: bool


_CLAIM = text("""
    INSERT INTO idempotent_answers AS kept (id, tenant_id, body_hash, holder, expires_at)
    VALUES (:id, :tenant_id, :body_hash, :holder, now() + make_interval(secs => :seconds))
    ON CONFLICT (id) DO UPDATE
    SET body_hash = excluded.body_hash, holder = excluded.holder, answer = NULL, expires_at = excluded.expires_at
    WHERE kept.expires_at <= now()""")

_FIND = text("SELECT body_hash, answer, is_failure FROM idempotent_answers WHERE id = :id AND expires_at > now()")

_RENEW = text("""
    UPDATE idempotent_answers SET expires_at = now() + make_interval(secs => :seconds)
    WHERE id = :id AND holder = :holder AND answer IS NULL""")

_KEEP = text("""
    UPDATE idempotent_answers
    SET answer = :answer, is_failure = :is_failure, expires_at = now() + make_interval(secs => :seconds)
    WHERE id = :id AND holder = :holder AND answer IS NULL""")

_RELEASE = text("DELETE FROM idempotent_answers WHERE id = :id AND holder = :holder AND answer IS NULL")


async def claim(connection: AsyncConnection, named: Named, holder: UUID, seconds: float) -> bool:
    """Makes `holder` the one who answers a request for so many seconds; False when there is another or an answer."""
    values = {
        "id": named.id,
        "tenant_id": named.tenant_id,
        "body_hash": named.body_hash,
        "holder": holder,
        "seconds": seconds,
    }
    return (await connection.execute(_CLAIM, values)).rowcount > 0


async def find(connection: AsyncConnection, id_: bytes) -> Kept | None:
    """The request that came before."""
    row = (await connection.execute(_FIND, {"id": id_})).one_or_none()
    return Kept(body_hash=row.body_hash, answer=row.answer, is_failure=row.is_failure) if row else None


async def renew(connection: AsyncConnection, id_: bytes, holder: UUID, seconds: float) -> None:
    """Makes a claim last so many seconds from now, if it is still the holder's."""
    await connection.execute(_RENEW, {"id": id_, "holder": holder, "seconds": seconds})


async def keep(
    connection: AsyncConnection, id_: bytes, holder: UUID, answer: bytes, is_failure: bool, seconds: float
) -> None:
    """Puts an answer in place of a claim for so many seconds, if it is still the holder's."""
    values = {"id": id_, "holder": holder, "answer": answer, "is_failure": is_failure, "seconds": seconds}
    await connection.execute(_KEEP, values)


async def release(connection: AsyncConnection, id_: bytes, holder: UUID) -> None:
    """Gives a claim up, if it is still the holder's."""
    await connection.execute(_RELEASE, {"id": id_, "holder": holder})


async def forget(connection: AsyncConnection) -> None:
    """Deletes what has expired, for every tenant."""
    await connection.execute(text("SELECT forget_idempotent_answers()"))
