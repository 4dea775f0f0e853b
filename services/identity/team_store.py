"""SQL of members and invitations. Every statement names its tenant: the role of this service sees them all."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.identity import invitations, members, users

_PEOPLE: Select[Any] = select(users.c.id, users.c.email, members.c.role, members.c.joined_at).join(
    users, users.c.id == members.c.user_id
)
_IS_OPEN = invitations.c.expires_at > func.now()


def _member(tenant_id: int, user_id: int) -> ColumnElement[bool]:
    return (members.c.tenant_id == tenant_id) & (members.c.user_id == user_id)


async def list_members(
    connection: AsyncConnection, tenant_id: int, *, limit: int, offset: int
) -> tuple[int, Sequence[Row[Any]]]:
    """The number of members, and a page of them in the order in which they joined."""
    of_tenant = members.c.tenant_id == tenant_id
    count = (await connection.execute(select(func.count()).select_from(members).where(of_tenant))).scalar_one()
    page = _PEOPLE.where(of_tenant).order_by(members.c.joined_at, users.c.id).limit(limit).offset(offset)
    return count, (await connection.execute(page)).all()


async def member(connection: AsyncConnection, tenant_id: int, user_id: int) -> Row[Any] | None:
    found: Row[Any] | None = (await connection.execute(_PEOPLE.where(_member(tenant_id, user_id)))).one_or_none()
    return found


async def is_member_by_email(connection: AsyncConnection, tenant_id: int, email: str) -> bool:
    statement = _PEOPLE.where(members.c.tenant_id == tenant_id, func.lower(users.c.email) == email.lower())
    return (await connection.execute(statement)).first() is not None


async def hold_role(connection: AsyncConnection, tenant_id: int, user_id: int) -> str | None:
    """A member's role, which stays as it is until the transaction ends; None for a person who is no member."""
    statement = select(members.c.role).where(_member(tenant_id, user_id)).with_for_update(read=True)
    role: str | None = await connection.scalar(statement)
    return role


async def add_member(connection: AsyncConnection, *, tenant_id: int, user_id: int, role: str) -> bool:
    """Adds a person to a tenant; False, and nothing changes, when the person is in it."""
    statement = upsert(members).values(tenant_id=tenant_id, user_id=user_id, role=role)
    statement = statement.on_conflict_do_nothing(index_elements=["tenant_id", "user_id"])
    return (await connection.execute(statement.returning(members.c.user_id))).first() is not None


async def set_role(
    connection: AsyncConnection, *, tenant_id: int, user_id: int, role: str, was_owner: bool = False
) -> bool:
    """Changes a role; False when the person is no member, or is the Owner and `was_owner` does not say so."""
    statement = update(members).where(_member(tenant_id, user_id), (members.c.role == "owner") == was_owner)
    return (await connection.execute(statement.values(role=role))).rowcount == 1


async def remove_member(connection: AsyncConnection, *, tenant_id: int, user_id: int) -> bool:
    """Removes a member with the refresh tokens for the tenant and the invitations to it.

    False when the person is no member, or is the Owner.
    """
    statement = delete(members).where(_member(tenant_id, user_id), members.c.role != "owner")
    return (await connection.execute(statement)).rowcount == 1


async def put_invitation(connection: AsyncConnection, *, life: timedelta, **columns: object) -> Row[Any]:
    """Adds an invitation, in place of the one to the same address in the tenant if there is one."""
    values = {**columns, "created_at": func.now(), "expires_at": func.now() + life}
    statement = upsert(invitations).values(values)
    statement = statement.on_conflict_do_update(
        index_elements=[invitations.c.tenant_id, text("lower(email)")], set_=values
    )
    return (await connection.execute(statement.returning(*invitations.c))).one()


async def list_invitations(
    connection: AsyncConnection, tenant_id: int, *, limit: int, offset: int
) -> tuple[int, Sequence[Row[Any]]]:
    """The number of open invitations, and a page of them, newest first."""
    page = select(invitations).where(invitations.c.tenant_id == tenant_id, _IS_OPEN).limit(limit).offset(offset)
    newest_first = page.order_by(invitations.c.created_at.desc(), invitations.c.id.desc())
    return await count_open(connection, tenant_id), (await connection.execute(newest_first)).all()


async def count_open(connection: AsyncConnection, tenant_id: int) -> int:
    """The number of open invitations to a tenant."""
    statement = select(func.count()).where(invitations.c.tenant_id == tenant_id, _IS_OPEN)
    return int((await connection.execute(statement)).scalar_one())


async def open_invitation(connection: AsyncConnection, token_hash: bytes) -> Row[Any] | None:
    """The open invitation with this token."""
    statement = select(invitations).where(invitations.c.token_hash == token_hash, _IS_OPEN)
    return (await connection.execute(statement)).one_or_none()


async def take_invitation(connection: AsyncConnection, token_hash: bytes) -> Row[Any] | None:
    """The open invitation with this token, which is used up when the transaction commits; None when it was before."""
    statement = delete(invitations).where(invitations.c.token_hash == token_hash, _IS_OPEN)
    return (await connection.execute(statement.returning(*invitations.c))).one_or_none()


async def delete_invitation(connection: AsyncConnection, tenant_id: int, invitation_id: int) -> bool:
    """Deletes an open invitation; whether there was one."""
    of_tenant = (invitations.c.tenant_id == tenant_id) & (invitations.c.id == invitation_id)
    return (await connection.execute(delete(invitations).where(of_tenant, _IS_OPEN))).rowcount == 1


async def delete_invitations_of(connection: AsyncConnection, tenant_id: int, user_id: int) -> None:
    """Deletes what a member has invited."""
    of_member = (invitations.c.tenant_id == tenant_id) & (invitations.c.created_by == user_id)
    await connection.execute(delete(invitations).where(of_member))


async def forget_invitations(connection: AsyncConnection) -> None:
    """Deletes the expired ones of all tenants."""
    await connection.execute(delete(invitations).where(~_IS_OPEN))
