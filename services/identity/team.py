"""The members of a tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from services.identity import team_store as store
from services.identity.fields import check_choice, raise_wrong
from services.kit.errors import Forbidden, NotFound
from services.kit.paging import Page
from services.kit.postgres import Database

# Whoever is given a role gets one of these: the Owner's changes hands by a transfer.
GIVEN_ROLES = ("admin", "member", "viewer")
INVITERS = ("owner", "admin")


class IsOwner(Forbidden):
    """The Owner is neither removed nor given another role. Transfer the tenant first."""


@dataclass(frozen=True, kw_only=True)
class Team:
    """Lists, changes and removes members. Each commit tells every edge."""

    database: Database

    async def page(self, tenant_id: int, page: Page) -> tuple[int, Sequence[Row[Any]]]:
        """The number of members, and a page of them."""
        async with self.database.system() as connection:
            return await store.list_members(connection, tenant_id, limit=page.limit, offset=page.offset)

    async def change_role(self, tenant_id: int, user_id: int, role: str) -> Row[Any]:
        """Gives a member a role. What members have invited who may no longer, is withdrawn.

        Raises Invalid, NotFound, IsOwner.
        """
        raise_wrong(role=check_choice(role, GIVEN_ROLES))
        async with self.database.system() as connection:
            changed = await store.set_role(connection, tenant_id=tenant_id, user_id=user_id, role=role)
            if changed and role not in INVITERS:
                await store.delete_invitations_of(connection, tenant_id, user_id)
            return _changeable(await store.member(connection, tenant_id, user_id))

    async def remove(self, tenant_id: int, user_id: int) -> None:
        """Removes a member with the refresh tokens for the tenant, and withdraws what the member has invited.

        Raises NotFound, IsOwner.
        """
        async with self.database.system() as connection:
            if not await store.remove_member(connection, tenant_id=tenant_id, user_id=user_id):
                _changeable(await store.member(connection, tenant_id, user_id))


def _changeable(member: Row[Any] | None) -> Row[Any]:
    if member is None:
        raise NotFound
    if member.role == "owner":
        raise IsOwner
    return member
