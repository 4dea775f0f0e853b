"""Who a presented credential is: verified once, remembered, and forgotten the moment it changes."""

import asyncio
import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.identity_client import IdentityClient
from edge.limits import Limits
from services.kit.caller import (
    ANONYMOUS,
    API_AUDIENCE,
    IDENTITY_SECONDS,
    Caller,
    Kind,
    Request,
    mint,
    read_claims,
    serving,
)
from services.kit.errors import Forbidden, NotFound, Unauthenticated

# A session token of 256 characters outside the basic plane has 4,600.
MAX_CREDENTIAL_CHARACTERS = 6_000
# Forgetting is immediate; this only bounds memory, and how long a lost notification could matter.
REMEMBER_SECONDS = 300
# Whoever holds a public key can open any number of sessions: 20,000 of the largest take 200 MB.
MAX_REMEMBERED = 20_000
# An identity is minted anew when it has less than this left, so that a slow call does not outlive it.
RENEW_SECONDS = 120


# Begins the tag of what depends on the key that signed a token.
SIGNING = "signing:"

# Of a verified token.
Claims = Mapping[str, Any]


class Shown(NamedTuple):
    """A credential as it was presented, the same however it was spelled."""

    scheme: str
    credential: str
    # Of a person who belongs to several; nobody else has a choice.
    tenant_slug: str = ""


NOTHING = Shown("", "")


@dataclass(slots=True)
class Known:
    """A verified credential: its caller, until when it holds, what it depends on, and the identity minted for it."""

    caller: Caller
    expires_at: float
    tags: frozenset[str]
    # What the tenant's plan allows; 0 for any number.
    calls_per_minute: int = 0
    identity: str = ""
    identity_expires_at: float = 0.0

    def signed_identity(self, key: Ed25519PrivateKey) -> str:
        """The internal identity for this caller, minted anew before it runs out."""
        now = time.time()
        if self.identity_expires_at - now < RENEW_SECONDS:
            self.identity = mint(self.caller, key)
            self.identity_expires_at = now + IDENTITY_SECONDS
        return self.identity


@dataclass
class Credentials:
    """Resolves `Authorization` headers. Trusts what it remembers only while `listening` says that changes are heard of.

    What was forgotten or has expired stays as a sign that it was good once: it is verified without regard to what other
    callers from the same address do.
    """

    identity: IdentityClient
    listening: Callable[[], bool]
    limits: Limits
    _known: dict[Shown, Known] = field(default_factory=dict)
    _forgotten: int = 0
    anonymous: Known = field(default_factory=lambda: Known(ANONYMOUS, float("inf"), frozenset()))

    async def resolve(self, authorization: str, tenant_slug: str, address: str, request_id: str = "") -> Known:
        """The caller behind a header that came from `address`; identity is asked under the request's id.

        Raises Unauthenticated, Forbidden, AddressExhausted, or Unavailable when identity is away.
        """
        shown = read(authorization, tenant_slug)
        known = self._known.get(shown)
        if known is None:
            async with self.limits.suspect(address):
                return await self._renew(shown, request_id)
        if known.expires_at > time.time() and self.listening():
            return known
        try:
            return await self._renew(shown, request_id)
        except (Unauthenticated, Forbidden):
            self._known.pop(shown, None)
            raise

    async def _renew(self, shown: Shown, request_id: str) -> Known:
        forgotten, listening = self._forgotten, self.listening()
        # In a context of its own: the HTTP server gives all requests the same.
        with serving(Request(id=request_id)):
            verifying = asyncio.create_task(self._verify(shown))
        known = await verifying
        # Else something may have changed while we asked: the answer may be older than the change, and serves once only.
        if listening and forgotten == self._forgotten:
            if shown not in self._known and len(self._known) >= MAX_REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[shown] = known
        return known

    def forget(self, tag: str) -> None:
        """Forgets every credential that depends on `key:<id>`, `user:<id>`, `tenant:<id>` or `signing:<key id>`."""
        if tag.startswith(SIGNING):
            self.identity.forget_keys()
        self._forgotten += 1
        for known in self._known.values():
            if tag in known.tags:
                known.expires_at = 0.0

    def forget_all(self) -> None:
        """Forgets everything: changes may have been missed."""
        self.identity.forget_keys()
        self._forgotten += 1
        for known in self._known.values():
            known.expires_at = 0.0

    async def _verify(self, shown: Shown) -> Known:
        match shown.scheme:
            case "apikey" if shown.credential:
                return await self._key(shown.credential)
            case "bearer":
                return await self._token(shown.credential, shown.tenant_slug)
            case _:
                raise Unauthenticated

    async def _key(self, key: str) -> Known:
        try:
            found = await self.identity.resolve_api_key(hashlib.sha256(key.encode()).digest())
        except NotFound as error:
            raise Unauthenticated from error
        kind: Kind = "public_key" if found.key_type == "public" else "secret_key"
        caller = Caller(kind=kind, tenant_id=found.tenant_id, key_id=found.key_id)
        return _known_by_key(caller, found.api_calls_per_minute)

    async def _token(self, token: str, tenant_slug: str) -> Known:
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
            key = await self.identity.token_key(key_id)
            claims = read_claims(token, key, audience=API_AUDIENCE)
        except jwt.InvalidTokenError as error:
            raise Unauthenticated from error
        match claims.get("typ"):
            case "access":
                return await self._person(claims, tenant_slug, key_id)
            case "session":
                return await self._session(claims, key_id)
            case _:
                raise Unauthenticated

    async def _person(self, claims: Claims, tenant_slug: str, signed_by: str) -> Known:
        user_id = int(claims["sub"])
        try:
            member = await self.identity.resolve_member(user_id, int(claims["tenant"]), tenant_slug, signed_by)
        except NotFound as error:
            raise Forbidden("You are not a member of this tenant.") from error
        return Known(
            caller=Caller(kind="person", tenant_id=member.tenant_id, user_id=user_id, role=member.role),
            expires_at=min(float(claims["exp"]), time.time() + REMEMBER_SECONDS),
            tags=frozenset({f"user:{user_id}", f"tenant:{member.tenant_id}", SIGNING + signed_by}),
            calls_per_minute=member.api_calls_per_minute,
        )

    async def _session(self, claims: Claims, signed_by: str) -> Known:
        """The end user of a session, which ends with the key it was opened with."""
        try:
            found = await self.identity.resolve_key_id(int(claims["key"]), signed_by)
        except NotFound as error:
            raise Unauthenticated from error
        caller = Caller(kind="session", tenant_id=found.tenant_id, key_id=found.key_id, uid=claims["sub"])
        known = _known_by_key(caller, found.api_calls_per_minute, until=float(claims["exp"]))
        return replace(known, tags=known.tags | {SIGNING + signed_by})


def read(authorization: str, tenant_slug: str) -> Shown:
    """What a header presents; nothing that verifies when it is none of ours.

    Basic (RFC 7617) is a key as the user name. The password does not matter.
    """
    if len(authorization) > MAX_CREDENTIAL_CHARACTERS:
        return NOTHING
    scheme, _, credential = authorization.partition(" ")
    credential = credential.strip()
    match scheme.lower():
        case "bearer":
            return Shown("bearer", credential, tenant_slug)
        case "apikey":
            return Shown("apikey", credential)
        case "basic":
            try:
                return Shown("apikey", base64.b64decode(credential, validate=True).decode().partition(":")[0])
            except ValueError:
                return NOTHING
        case _:
            return NOTHING


def _known_by_key(caller: Caller, calls_per_minute: int, until: float = float("inf")) -> Known:
    return Known(
        caller=caller,
        expires_at=min(until, time.time() + REMEMBER_SECONDS),
        tags=frozenset({f"key:{caller.key_id}", f"tenant:{caller.tenant_id}"}),
        calls_per_minute=calls_per_minute,
    )
