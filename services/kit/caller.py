"""Who is calling: the signed identity every internal call carries, and the request being served."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.kit.errors import Forbidden, Unauthenticated

IDENTITY_HEADER = "x-segops-identity"
REQUEST_ID_HEADER = "x-request-id"
URL_HEADER = "x-segops-url"
# The client's, as the edge sees it.
ADDRESS_HEADER = "x-segops-address"
# How many calls its tenant has made in this minute, as the edge counts them; where an RPC is declared to be told.
CALLS_HEADER = "x-segops-api-calls"
SERVICE_SECRET_HEADER = "x-segops-service-secret"

IDENTITY_SECONDS = 300
ISSUER = "segops"
AUDIENCE = "segops-internal"
# Of the tokens people show at the edge; nothing inside takes them.
API_AUDIENCE = "segops-api"

Kind = Literal["anonymous", "person", "secret_key", "public_key", "session", "service"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """A verified caller. `tenant_id` is 0 for callers that belong to no tenant; `uid` is the end user of a session."""

    kind: Kind
    tenant_id: int = 0
    user_id: int | None = None
    role: str | None = None
    key_id: int | None = None
    uid: str | None = None
    service: str | None = None

    @property
    def tenant(self) -> int:
        """The tenant id. Raises Forbidden for a caller without one."""
        if not self.tenant_id:
            raise Forbidden("This call needs a tenant.")
        return self.tenant_id


ANONYMOUS = Caller(kind="anonymous")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The request being served: its id, its caller, the caller's token, and the URL a REST client used.

    `metadata` is what was sent beside the message. `once` names the request however often its client sends it, if the
    client gave it an idempotency key. `is_replay`: it came before, and gets the answer that it got then.
    """

    id: str = ""
    caller: Caller = ANONYMOUS
    token: str = ""
    url: str = ""
    metadata: Sequence[tuple[str, str | bytes]] = ()
    once: str = ""
    is_replay: bool = False


_current: ContextVar[Request] = ContextVar("request", default=Request())  # noqa: B039 - frozen


def current_request() -> Request:
    """The request being served in this task."""
    return _current.get()


def current_caller() -> Caller:
    """The caller of the request being served in this task."""
    return _current.get().caller


def current_address() -> str:
    """The address of the client being served in this task; empty without the edge."""
    return _sent(ADDRESS_HEADER)


def current_api_calls() -> int:
    """How many calls the tenant has made in this minute, where an RPC is declared to be told; 0 without the edge."""
    return int(_sent(CALLS_HEADER) or 0)


def _sent(header: str) -> str:
    return next((str(value) for name, value in current_request().metadata if name == header), "")


def enter_request(request: Request) -> None:
    """Makes `request` the current one for the rest of this task."""
    _current.set(request)


@contextmanager
def serving(request: Request) -> Iterator[None]:
    """Makes `request` the current one within the block."""
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)


def mint(caller: Caller, key: Ed25519PrivateKey, *, seconds: int = IDENTITY_SECONDS) -> str:
    """A signed identity for `caller`, valid for `seconds`."""
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "typ": "internal",
        "iat": now,
        "exp": now + seconds,
        "sub": caller.kind,
        "tenant": caller.tenant_id,
    }
    for name in ("user_id", "role", "key_id", "uid", "service"):
        value = getattr(caller, name)
        if value is not None:
            claims[name] = value
    return jwt.encode(claims, key, algorithm="EdDSA")


def read_claims(
    token: str, key: "Ed25519PublicKey | jwt.PyJWK", *, audience: str, required: Sequence[str] = ()
) -> dict[str, Any]:
    """The claims of one of our tokens.

    Raises jwt.InvalidTokenError unless `key` signed it for `audience`, and it has not expired.
    """
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=["EdDSA"],
        audience=audience,
        issuer=ISSUER,
        options={"require": ["exp", "sub", *required]},
    )
    return claims


@dataclass(kw_only=True)
class IdentityVerifier:
    """Verifies signed identities and remembers each until it expires (EdDSA costs 0.1 ms a time)."""

    key: Ed25519PublicKey
    max_remembered: int = 20_000
    _known: dict[str, tuple[float, Caller]] = field(default_factory=dict)

    def verify(self, token: str) -> Caller:
        """The caller in `token`. Raises Unauthenticated when it is missing, forged or expired."""
        known = self._known.get(token)
        if known and known[0] > time.time():
            return known[1]
        caller, expires = self._decode(token)
        if len(self._known) >= self.max_remembered:
            self._known.clear()
        self._known[token] = (expires, caller)
        return caller

    def _decode(self, token: str) -> tuple[Caller, float]:
        try:
            claims = read_claims(token, self.key, audience=AUDIENCE)
        except jwt.InvalidTokenError as error:
            raise Unauthenticated from error
        if claims.get("typ") != "internal":
            raise Unauthenticated
        caller = Caller(
            kind=claims["sub"],
            tenant_id=claims["tenant"],
            user_id=claims.get("user_id"),
            role=claims.get("role"),
            key_id=claims.get("key_id"),
            uid=claims.get("uid"),
            service=claims.get("service"),
        )
        return caller, float(claims["exp"])
