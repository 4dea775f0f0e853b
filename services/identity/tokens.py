"""Access, refresh and session tokens: JWTs signed with EdDSA (RFC 8037)."""

import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.kit.caller import API_AUDIENCE, ISSUER, read_claims
from services.kit.errors import Unauthenticated

ACCESS = timedelta(minutes=60)
REFRESH = timedelta(days=30)
SESSION = timedelta(minutes=15)
NOT_VALID = "The refresh token is not valid."


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshClaims:
    """What a refresh token says."""

    id: uuid.UUID
    user_id: int


class TokenSigner:
    """Signs tokens with one key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._key_id = key_id_of(key.public_key())

    def access(self, *, user_id: int, tenant_id: int) -> str:
        """An access token of a person for a tenant."""
        return self._sign("access", str(user_id), tenant_id, _in(ACCESS))

    def refresh(self, *, user_id: int, tenant_id: int, token_id: uuid.UUID) -> str:
        """A refresh token whose `jti` is `token_id`."""
        return self._sign("refresh", str(user_id), tenant_id, _in(REFRESH), jti=str(token_id))

    def session(self, *, tenant_id: int, key_id: int, uid: str) -> tuple[str, datetime]:
        """A token of one end user, opened with a public key, and until when it holds."""
        expires_at = _in(SESSION)
        return self._sign("session", uid, tenant_id, expires_at, key=key_id), expires_at

    def _sign(self, kind: str, subject: str, tenant_id: int, expires_at: datetime, **more: object) -> str:
        claims = {
            "iss": ISSUER,
            "aud": API_AUDIENCE,
            "sub": subject,
            "tenant": tenant_id,
            "typ": kind,
            "jti": str(uuid.uuid4()),
            "iat": datetime.now(UTC),
            "exp": expires_at,
            **more,
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self._key_id})


def key_id_of(key: Ed25519PublicKey) -> str:
    """The `kid` of a key. It follows from the key: no two keys ever go by the same."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def key_set(keys: Iterable[Ed25519PublicKey]) -> bytes:
    """The keys as a JSON Web Key Set (RFC 7517)."""
    jwks = [
        {**jwt.algorithms.OKPAlgorithm.to_jwk(key, as_dict=True), "kid": key_id_of(key), "use": "sig", "alg": "EdDSA"}
        for key in keys
    ]
    return json.dumps({"keys": jwks}).encode()


def named_key(token: str) -> str:
    """The `kid` a token names. Raises Unauthenticated when this is no token."""
    try:
        return str(jwt.get_unverified_header(token).get("kid", ""))
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(NOT_VALID) from error


def read_refresh(token: str, key: Ed25519PublicKey) -> RefreshClaims:
    """The claims of a refresh token. Raises Unauthenticated unless `key` signed it, and it is one that still holds."""
    try:
        claims = read_claims(token, key, audience=API_AUDIENCE, required=["jti"])
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(NOT_VALID) from error
    if claims.get("typ") != "refresh":
        raise Unauthenticated("This is not a refresh token.")
    return RefreshClaims(id=uuid.UUID(claims["jti"]), user_id=int(claims["sub"]))


def _in(life: timedelta) -> datetime:
    return datetime.now(UTC) + life
