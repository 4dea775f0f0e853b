"""Registering, signing in, and staying signed in."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.identity import store, team_store
from services.identity.fields import REQUIRED, check_email, check_name, check_password, check_slug, raise_wrong
from services.identity.passwords import hash_password
from services.identity.sign_in import SignIn
from services.identity.signing_keys import SigningKeys
from services.identity.tokens import REFRESH, named_key, read_refresh
from services.kit.errors import Forbidden, Invalid, Unauthenticated
from services.kit.postgres import Database

NO_MEMBER = "You are not a member of this tenant."
REUSED = "The refresh token was used before; sign in again."


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """An access and a refresh token."""

    access: str
    refresh: str


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """People and their tokens."""

    database: Database
    keys: SigningKeys
    sign_ins: SignIn
    default_plan: str
    registration_open: bool

    async def register(
        self, *, email: str, password: str, tenant_name: str, tenant_slug: str, address: str
    ) -> tuple[int, Row[Any], Tokens]:
        """Creates a person who owns a new tenant: user id, tenant, tokens. Raises Invalid, or Forbidden when closed."""
        if not self.registration_open:
            raise Forbidden("Registration is switched off.")
        raise_wrong(
            email=check_email(email),
            password=check_password(password),
            tenant_name=check_name(tenant_name),
            tenant_slug=check_slug(tenant_slug),
        )
        password_hash = await hash_password(password)
        async with store.unique_fields(), self.database.system() as connection:
            taken = await store.taken_fields(connection, email=email, slug=tenant_slug)
            if taken:
                raise Invalid(taken)
            user_id = await store.add_user(connection, email=email, password_hash=password_hash)
            tenant = await store.add_tenant(
                connection, slug=tenant_slug, name=tenant_name.strip(), plan=self.default_plan
            )
            await team_store.add_member(connection, tenant_id=tenant.id, user_id=user_id, role="owner")
            tokens = await self.welcome(connection, user_id, tenant.id, address=address)
        return user_id, tenant, tokens

    async def sign_in(self, *, email: str, password: str, tenant_slug: str, address: str) -> Tokens:
        """Tokens for email and password, asked for from an address.

        Raises what SignIn does; Forbidden for a tenant the person is not in.
        """
        raise_wrong(email=None if email else REQUIRED, password=None if password else REQUIRED)
        user = await self.sign_ins.person(email=email, password=password, address=address)
        async with self.database.system() as connection:
            tenant_ids = {row.slug: row.id for row in await store.tenants_of(connection, user.id)}
            if tenant_slug and tenant_slug not in tenant_ids:
                raise Forbidden(NO_MEMBER)
            if not tenant_ids:
                raise Forbidden("You are not a member of any tenant.")
            tenant_id = tenant_ids[tenant_slug] if tenant_slug else next(iter(tenant_ids.values()))
            return await self.welcome(connection, user.id, tenant_id, address=address)

    async def refresh(self, token: str) -> Tokens:
        """Rotates a refresh token. Raises Unauthenticated; one used before takes its whole family with it."""
        if not token:
            raise Invalid({"refresh": [REQUIRED]})
        key_id = named_key(token)
        async with self.database.system() as connection:
            claims = read_refresh(token, await self.keys.verifier(connection, key_id))
            stored = await store.take_refresh_token(connection, claims.id)
            if stored is None or stored.expires_at < datetime.now(UTC):
                raise Unauthenticated("The refresh token is not valid.")
            if stored.used_at is None:
                await store.mark_used(connection, stored.id)
                return await self._issue(connection, stored.user_id, stored.tenant_id, family_id=stored.family_id)
            # Committed before the refusal: whoever holds the newer token is shut out too.
            await store.revoke_family(connection, stored.family_id)
        raise Unauthenticated(REUSED)

    async def welcome(self, connection: AsyncConnection, user_id: int, tenant_id: int, *, address: str) -> Tokens:
        """Tokens for a person who has shown or set the password, at an address. Raises Forbidden."""
        if not await store.hold_membership(connection, tenant_id=tenant_id, user_id=user_id):
            raise Forbidden(NO_MEMBER)
        await store.forget_expired_tokens(connection, user_id)
        await self.sign_ins.remember(connection, user_id=user_id, address=address)
        return await self._issue(connection, user_id, tenant_id, family_id=uuid.uuid4())

    async def _issue(
        self, connection: AsyncConnection, user_id: int, tenant_id: int, *, family_id: uuid.UUID
    ) -> Tokens:
        signer, token_id = await self.keys.signer(connection), uuid.uuid4()
        await store.add_refresh_token(
            connection,
            token_id=token_id,
            family_id=family_id,
            user_id=user_id,
            tenant_id=tenant_id,
            expires_at=datetime.now(UTC) + REFRESH,
        )
        return Tokens(
            access=signer.access(user_id=user_id, tenant_id=tenant_id),
            refresh=signer.refresh(user_id=user_id, tenant_id=tenant_id, token_id=token_id),
        )
