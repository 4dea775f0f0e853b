"""Access, refresh and session tokens: JWTs signed with EdDSA (RFC 8037)."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.kit.caller import API_AUDIENCE, ISSUER
from services.kit.errors import Unauthenticated

ACCESS = timedelta(minutes=60)
REFRESH = timedelta(days=30)
SESSION = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshClaims:
    """What a refresh token says."""

    id: uuid.UUID
    user_id: int


class TokenSigner:
    """Signs and verifies tokens with one key pair."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.key_id = hashlib.sha256(public).hexdigest()[:16]
        jwk = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self.jwks = json.dumps({"keys": [{**jwk, "kid": self.key_id, "use": "sig", "alg": "EdDSA"}]}).encode()

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

    def read_refresh(self, token: str) -> RefreshClaims:
        """The claims of a refresh token. Raises Unauthenticated unless it is ours, of that type, and not expired."""
        try:
            claims = jwt.decode(
                token, self._key.public_key(), algorithms=["EdDSA"], audience=API_AUDIENCE, issuer=ISSUER
            )
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("The refresh token is not valid.") from error
        if claims.get("typ") != "refresh":
            raise Unauthenticated("This is not a refresh token.")
        return RefreshClaims(id=uuid.UUID(claims["jti"]), user_id=int(claims["sub"]))

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
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self.key_id})


def _in(life: timedelta) -> datetime:
    return datetime.now(UTC) + life
