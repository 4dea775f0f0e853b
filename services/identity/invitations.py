"""Invitations to a tenant: a token that whoever was invited joins with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.identity import store, team_store
from services.identity.accounts import Accounts, Tokens
from services.identity.api_keys import hash_key, new_key
from services.identity.fields import REQUIRED, check_choice, check_email, check_password, domain_of, raise_wrong
from services.identity.invitation_mail import Post
from services.identity.passwords import hash_password
from services.identity.team import GIVEN_ROLES, INVITERS
from services.kit.errors import Forbidden, Invalid, NotFound
from services.kit.paging import Page
from services.kit.postgres import Database

LIFE = timedelta(days=7)
FORGET_SECONDS = 3600.0
# Of a tenant: mails that strangers get in this platform's name.
MOST_OPEN = 500
NOT_VALID = "This invitation does not exist, has expired or was used."
IS_MEMBER = "This person is a member already."


@dataclass(frozen=True, kw_only=True, slots=True)
class CreatedInvitation:
    """A new invitation. Its token is nowhere else."""

    row: Row[Any]
    token: str


@dataclass(frozen=True, kw_only=True)
class Invitations:
    """Invites, and takes those in who accept."""

    database: Database
    accounts: Accounts
    post: Post | None

    async def invite(self, tenant_id: int, *, inviter_id: int, email: str, role: str) -> CreatedInvitation:
        """Invites an address, also again. Raises Invalid, and Forbidden for who may invite no longer."""
        raise_wrong(email=check_email(email), role=check_choice(role, GIVEN_ROLES))
        token = new_key("")
        async with self.database.system() as connection:
            # Held, so that an invitation goes with its inviter whatever happens at the same time.
            if await team_store.hold_role(connection, tenant_id, inviter_id) not in INVITERS:
                raise Forbidden
            tenant = await store.tenant_by_id(connection, tenant_id)
            raise_wrong(email=await _check_guest(connection, tenant, email))
            row = await team_store.put_invitation(
                connection,
                tenant_id=tenant_id,
                email=email,
                role=role,
                token_hash=hash_key(token),
                created_by=inviter_id,
                life=LIFE,
            )
            if await team_store.count_open(connection, tenant_id) > MOST_OPEN:
                raise Invalid(detail=f"There are {MOST_OPEN} open invitations. Withdraw some first.")
        if self.post:
            self.post.invitation(row, token=token, tenant_name=tenant.name)
        return CreatedInvitation(row=row, token=token)

    async def page(self, tenant_id: int, page: Page) -> tuple[int, Sequence[Row[Any]]]:
        """The number of open invitations, and a page of them."""
        async with self.database.system() as connection:
            return await team_store.list_invitations(connection, tenant_id, limit=page.limit, offset=page.offset)

    async def withdraw(self, tenant_id: int, invitation_id: int) -> None:
        """Makes an open invitation worthless. Raises NotFound."""
        async with self.database.system() as connection:
            if not await team_store.delete_invitation(connection, tenant_id, invitation_id):
                raise NotFound

    async def accept(self, *, token: str, password: str, address: str) -> Tokens:
        """Takes whoever shows the token into the tenant, from an address: tokens for it.

        The inviter knows the token too, so it never gives somebody else's account: whoever has one shows its password.
        Raises Invalid, and what SignIn does.
        """
        raise_wrong(token=None if token else REQUIRED, password=None if password else REQUIRED)
        token_hash = hash_key(token)
        async with self.database.system() as connection:
            invitation = _required(await team_store.open_invitation(connection, token_hash))
            user = await store.user_by_email(connection, invitation.email)
        # To be stored, of a person who is new.
        password_hash = ""
        if user:
            await self.accounts.sign_ins.person(email=user.email, password=password, address=address)
        else:
            raise_wrong(password=check_password(password))
            password_hash = await hash_password(password)
        async with store.unique_fields(), self.database.system() as connection:
            taken = _required(await team_store.take_invitation(connection, token_hash))
            user_id = (
                user.id if user else await store.add_user(connection, email=taken.email, password_hash=password_hash)
            )
            if not await team_store.add_member(connection, tenant_id=taken.tenant_id, user_id=user_id, role=taken.role):
                raise Invalid({"token": [IS_MEMBER]})
            return await self.accounts.welcome(connection, user_id, taken.tenant_id, address=address)

    async def forget(self) -> None:
        """Deletes what has expired."""
        async with self.database.system() as connection:
            await team_store.forget_invitations(connection)


async def _check_guest(connection: AsyncConnection, tenant: Row[Any], email: str) -> str | None:
    domains: Sequence[str] = tenant.invitation_domains
    if domains and domain_of(email) not in domains:
        return f"Only addresses at {', '.join(domains)} may be invited."
    return IS_MEMBER if await team_store.is_member_by_email(connection, tenant.id, email) else None


def _required(invitation: Row[Any] | None) -> Row[Any]:
    if invitation is None:
        raise Invalid({"token": [NOT_VALID]})
    return invitation
