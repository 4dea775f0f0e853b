"""All SQL of the identity service. Unique violations become field errors here, by constraint name."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import Invalid
from services.schema.identity import api_keys, members, refresh_tokens, tenants, users

TAKEN = {
    "users_email_key": {"email": ["A user with this email exists already."]},
    "tenants_slug_key": {"tenant_slug": ["This slug is taken."]},
    "members_one_owner_key": {"role": ["The tenant has an owner already."]},
}


@asynccontextmanager
async def unique_fields(**rename: str) -> AsyncIterator[None]:
    """Turns a unique violation within the block into a field error; `rename` maps a field to the caller's name."""
    try:
        yield
    except IntegrityError as error:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        if constraint not in TAKEN:
            raise
        raise Invalid({rename.get(name, name): text for name, text in TAKEN[constraint].items()}) from error


async def taken_fields(connection: AsyncConnection, *, email: str, slug: str) -> dict[str, list[str]]:
    """Which of an email and a slug exist already, as field errors."""
    wrong: dict[str, list[str]] = {}
    if await connection.scalar(select(users.c.id).where(func.lower(users.c.email) == email.lower())):
        wrong |= TAKEN["users_email_key"]
    if await connection.scalar(select(tenants.c.id).where(tenants.c.slug == slug)):
        wrong |= TAKEN["tenants_slug_key"]
    return wrong


async def add_user(connection: AsyncConnection, *, email: str, password_hash: str) -> int:
    statement = insert(users).values(email=email, password_hash=password_hash).returning(users.c.id)
    return int((await connection.execute(statement)).scalar_one())


async def add_tenant(connection: AsyncConnection, *, slug: str, name: str, plan: str) -> Row[Any]:
    statement = insert(tenants).values(slug=slug, name=name, plan=plan).returning(*tenants.c)
    return (await connection.execute(statement)).one()


async def hold_membership(connection: AsyncConnection, *, tenant_id: int, user_id: int) -> bool:
    """Whether a person is a member; if so, until the transaction ends nobody removes them."""
    statement = select(members.c.user_id).where(members.c.tenant_id == tenant_id, members.c.user_id == user_id)
    return (await connection.execute(statement.with_for_update(read=True, key_share=True))).first() is not None


async def user_by_email(connection: AsyncConnection, email: str) -> Row[Any] | None:
    statement = select(users).where(func.lower(users.c.email) == email.lower())
    return (await connection.execute(statement)).one_or_none()


async def user_by_id(connection: AsyncConnection, user_id: int) -> Row[Any] | None:
    return (await connection.execute(select(users).where(users.c.id == user_id))).one_or_none()


async def tenants_of(connection: AsyncConnection, user_id: int) -> Sequence[Row[Any]]:
    """Every tenant of a person with the role, oldest membership first."""
    statement = (
        select(tenants, members.c.role)
        .join(members, members.c.tenant_id == tenants.c.id)
        .where(members.c.user_id == user_id)
        .order_by(members.c.joined_at, tenants.c.id)
    )
    return (await connection.execute(statement)).all()


async def all_tenants(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(select(tenants).order_by(tenants.c.id))).all()


async def tenant_by_slug(connection: AsyncConnection, slug: str) -> Row[Any] | None:
    return (await connection.execute(select(tenants).where(tenants.c.slug == slug))).one_or_none()


async def set_plan(
    connection: AsyncConnection, *, slug: str, plan: str, api_calls_per_minute: int | None
) -> Row[Any] | None:
    values = {"plan": plan, "api_calls_per_minute": api_calls_per_minute}
    statement = update(tenants).where(tenants.c.slug == slug).values(values).returning(*tenants.c)
    return (await connection.execute(statement)).one_or_none()


async def tenant_by_id(connection: AsyncConnection, tenant_id: int) -> Row[Any]:
    return (await connection.execute(select(tenants).where(tenants.c.id == tenant_id))).one()


async def update_tenant(connection: AsyncConnection, tenant_id: int, changes: Mapping[str, object]) -> Row[Any]:
    """Puts values into the named columns, of which there is one at least."""
    statement = update(tenants).where(tenants.c.id == tenant_id).values(changes).returning(*tenants.c)
    return (await connection.execute(statement)).one()


async def add_key(connection: AsyncConnection, **columns: object) -> Row[Any]:
    statement = insert(api_keys).values(**columns).returning(*api_keys.c)
    return (await connection.execute(statement)).one()


async def list_keys(connection: AsyncConnection, *, limit: int, offset: int) -> tuple[int, Sequence[Row[Any]]]:
    """The number of the session's tenant's keys, and a page of them, newest first."""
    count = (await connection.execute(select(func.count()).select_from(api_keys))).scalar_one()
    page = select(api_keys).order_by(api_keys.c.id.desc()).limit(limit).offset(offset)
    return count, (await connection.execute(page)).all()


async def delete_key(connection: AsyncConnection, key_id: int) -> bool:
    """Deletes a key the session may see; whether there was one."""
    return (await connection.execute(delete(api_keys).where(api_keys.c.id == key_id))).rowcount == 1


_KEY = select(api_keys, tenants.c.plan, tenants.c.api_calls_per_minute).join(
    tenants, tenants.c.id == api_keys.c.tenant_id
)


async def key_by_hash(connection: AsyncConnection, key_hash: bytes) -> Row[Any] | None:
    """A key with what its tenant's plan is."""
    return (await connection.execute(_KEY.where(api_keys.c.key_hash == key_hash))).one_or_none()


async def key_by_id(connection: AsyncConnection, key_id: int) -> Row[Any] | None:
    """A key with what its tenant's plan is."""
    return (await connection.execute(_KEY.where(api_keys.c.id == key_id))).one_or_none()


async def record_key_use(connection: AsyncConnection, uses: Sequence[tuple[int, datetime]]) -> None:
    """Moves `last_used_at` forward; never back."""
    if uses:
        await connection.execute(
            text("""
                UPDATE api_keys SET last_used_at = used.at
                FROM unnest(:ids ::int[], :times ::timestamptz[]) AS used(id, at)
                WHERE api_keys.id = used.id AND (last_used_at IS NULL OR last_used_at < used.at)"""),
            {"ids": [key_id for key_id, _ in uses], "times": [at for _, at in uses]},
        )


async def add_refresh_token(
    connection: AsyncConnection,
    *,
    token_id: uuid.UUID,
    family_id: uuid.UUID,
    user_id: int,
    tenant_id: int,
    expires_at: datetime,
) -> None:
    await connection.execute(
        insert(refresh_tokens).values(
            id=token_id, family_id=family_id, user_id=user_id, tenant_id=tenant_id, expires_at=expires_at
        )
    )


async def take_refresh_token(connection: AsyncConnection, token_id: uuid.UUID) -> Row[Any] | None:
    """Locks a refresh token until the transaction ends; None when it is unknown or its family was revoked.

    The membership it is for stays until then, too.
    """
    # In the order in which a removal takes them, or the two could wait for each other.
    await connection.execute(
        text("""
            SELECT FROM members
            WHERE (tenant_id, user_id) = (SELECT tenant_id, user_id FROM refresh_tokens WHERE id = :id)
            FOR KEY SHARE"""),
        {"id": token_id},
    )
    statement = select(refresh_tokens).where(refresh_tokens.c.id == token_id).with_for_update()
    return (await connection.execute(statement)).one_or_none()


async def mark_used(connection: AsyncConnection, token_id: uuid.UUID) -> None:
    now = datetime.now(UTC)
    await connection.execute(update(refresh_tokens).where(refresh_tokens.c.id == token_id).values(used_at=now))


async def revoke_family(connection: AsyncConnection, family_id: uuid.UUID) -> None:
    await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.family_id == family_id))


async def forget_expired_tokens(connection: AsyncConnection, user_id: int) -> None:
    now = datetime.now(UTC)
    expired = (refresh_tokens.c.user_id == user_id) & (refresh_tokens.c.expires_at < now)
    await connection.execute(delete(refresh_tokens).where(expired))
