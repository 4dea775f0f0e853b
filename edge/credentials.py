"""Who a presented credential is: verified once, remembered, and forgotten the moment it changes."""

import base64
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.identity_client import IdentityClient
from services.kit.caller import ANONYMOUS, API_AUDIENCE, IDENTITY_SECONDS, ISSUER, Caller, Kind, mint
from services.kit.errors import Forbidden, NotFound, Unauthenticated

# A session token of 256 characters outside the basic plane has 4,600.
MAX_CREDENTIAL_CHARACTERS = 6_000
# Forgetting is immediate; this only bounds memory, and how long a lost notification could matter.
REMEMBER_SECONDS = 300
# Whoever holds a public key can open any number of sessions: 20,000 of the largest take 200 MB.
MAX_REMEMBERED = 20_000
# An identity is minted anew when it has less than this left, so that a slow call does not outlive it.
RENEW_SECONDS = 120


# Of a verified token.
Claims = Mapping[str, Any]


@dataclass(slots=True)
class Known:
    """A verified credential: its caller, until when it holds, what it depends on, and the identity minted for it."""

    caller: Caller
    expires_at: float
    tags: frozenset[str]
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
    """Resolves `Authorization` headers. Remembers only while `listening` says that changes are heard of."""

    identity: IdentityClient
    listening: Callable[[], bool]
    _known: dict[tuple[str, str], Known] = field(default_factory=dict)
    _forgotten: int = 0
    anonymous: Known = field(default_factory=lambda: Known(ANONYMOUS, float("inf"), frozenset()))

    async def resolve(self, authorization: str, tenant_slug: str) -> Known:
        """The caller behind a header. Raises Unauthenticated, Forbidden, or Unavailable when identity is away."""
        place = (authorization, tenant_slug)
        known = self._known.get(place)
        if known is not None and known.expires_at > time.time() and self.listening():
            return known
        forgotten = self._forgotten
        known = await self._verify(authorization, tenant_slug)
        # Something changed while we asked: the answer may be older than the change, so it serves once only.
        if self.listening() and forgotten == self._forgotten:
            if len(self._known) >= MAX_REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[place] = known
        return known

    def forget(self, tag: str) -> None:
        """Forgets every credential that depends on `key:<id>`, `user:<id>` or `tenant:<id>`."""
        self._forgotten += 1
        self._known = {place: known for place, known in self._known.items() if tag not in known.tags}

    def forget_all(self) -> None:
        """Forgets everything: changes may have been missed."""
        self._forgotten += 1
        self._known = {}

    async def _verify(self, authorization: str, tenant_slug: str) -> Known:
        if len(authorization) > MAX_CREDENTIAL_CHARACTERS:
            raise Unauthenticated
        scheme, _, credential = authorization.partition(" ")
        verifiers: dict[str, Callable[[str, str], Awaitable[Known]]] = {
            "apikey": self._key,
            "basic": self._basic,
            "bearer": self._token,
        }
        verify = verifiers.get(scheme.lower())
        if verify is None or not credential:
            raise Unauthenticated
        return await verify(credential.strip(), tenant_slug)

    async def _key(self, key: str, _: str) -> Known:
        try:
            found = await self.identity.resolve_api_key(hashlib.sha256(key.encode()).digest())
        except NotFound as error:
            raise Unauthenticated from error
        kind: Kind = "public_key" if found.key_type == "public" else "secret_key"
        return _known_by_key(Caller(kind=kind, tenant_id=found.tenant_id, key_id=found.key_id))

    async def _basic(self, credential: str, tenant_slug: str) -> Known:
        """A key as the user name of Basic authentication (RFC 7617). The password does not matter."""
        try:
            key, _, _ = base64.b64decode(credential, validate=True).decode().partition(":")
        except ValueError as error:
            raise Unauthenticated from error
        return await self._key(key, tenant_slug)

    async def _token(self, token: str, tenant_slug: str) -> Known:
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
            key = await self.identity.token_key(key_id)
            claims = jwt.decode(token, key, algorithms=["EdDSA"], audience=API_AUDIENCE, issuer=ISSUER)
        except jwt.InvalidTokenError as error:
            raise Unauthenticated from error
        match claims.get("typ"):
            case "access":
                return await self._person(claims, tenant_slug)
            case "session":
                return await self._session(claims)
            case _:
                raise Unauthenticated

    async def _person(self, claims: Claims, tenant_slug: str) -> Known:
        user_id = int(claims["sub"])
        try:
            member = await self.identity.resolve_member(user_id, int(claims["tenant"]), tenant_slug)
        except NotFound as error:
            raise Forbidden("You are not a member of this tenant.") from error
        return Known(
            caller=Caller(kind="person", tenant_id=member.tenant_id, user_id=user_id, role=member.role),
            expires_at=min(float(claims["exp"]), time.time() + REMEMBER_SECONDS),
            tags=frozenset({f"user:{user_id}", f"tenant:{member.tenant_id}"}),
        )

    async def _session(self, claims: Claims) -> Known:
        """The end user of a session, which ends with the key it was opened with."""
        try:
            found = await self.identity.resolve_key_id(int(claims["key"]))
        except NotFound as error:
            raise Unauthenticated from error
        caller = Caller(kind="session", tenant_id=found.tenant_id, key_id=found.key_id, uid=claims["sub"])
        return _known_by_key(caller, until=float(claims["exp"]))


def _known_by_key(caller: Caller, until: float = float("inf")) -> Known:
    return Known(
        caller=caller,
        expires_at=min(until, time.time() + REMEMBER_SECONDS),
        tags=frozenset({f"key:{caller.key_id}", f"tenant:{caller.tenant_id}"}),
    )
