"""Who a presented credential is: verified once, remembered, and forgotten the moment it changes."""

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.identity_client import IdentityClient
from services.kit.caller import ANONYMOUS, API_AUDIENCE, IDENTITY_SECONDS, ISSUER, Caller, mint
from services.kit.errors import Forbidden, NotFound, Unauthenticated

MAX_CREDENTIAL_CHARACTERS = 4096
# Forgetting is immediate; this only bounds memory, and how long a lost notification could matter.
REMEMBER_SECONDS = 300
MAX_REMEMBERED = 100_000
# An identity is minted anew when it has less than this left, so that a slow call does not outlive it.
RENEW_SECONDS = 120


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
                self._known.clear()
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
        verifiers: dict[str, Callable[[str, str], Awaitable[Known]]] = {"apikey": self._key, "bearer": self._token}
        verify = verifiers.get(scheme.lower())
        if verify is None or not credential:
            raise Unauthenticated
        return await verify(credential.strip(), tenant_slug)

    async def _key(self, key: str, _: str) -> Known:
        try:
            found = await self.identity.resolve_api_key(hashlib.sha256(key.encode()).digest())
        except NotFound as error:
            raise Unauthenticated from error
        return Known(
            caller=Caller(kind="secret_key", tenant_id=found.tenant_id, key_id=found.key_id),
            expires_at=time.time() + REMEMBER_SECONDS,
            tags=frozenset({f"key:{found.key_id}", f"tenant:{found.tenant_id}"}),
        )

    async def _token(self, token: str, tenant_slug: str) -> Known:
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
            key = await self.identity.token_key(key_id)
            claims = jwt.decode(token, key, algorithms=["EdDSA"], audience=API_AUDIENCE, issuer=ISSUER)
        except jwt.InvalidTokenError as error:
            raise Unauthenticated from error
        if claims.get("typ") != "access":
            raise Unauthenticated
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
