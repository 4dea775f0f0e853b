"""What a request with an Idempotency-Key is called: names that nobody makes without the request and a secret."""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from cryptography.fernet import Fernet

from services.kit.caller import Caller

KEY_HEADER = "idempotency-key"
MAX_KEY_CHARS = 255

# Kinds of callers that are many: strangers, and every browser a public key is embedded in.
SHARED = ("anonymous", "public_key")


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A request that its client named.

    `id` is the same for the same caller, path and key, `once` only when the body is the same too. `seal` encrypts the
    answer under a key that is made of the request: without the request, whoever reads the database and the secret
    cannot open it.
    """

    tenant_id: int
    id: bytes
    body_hash: bytes
    once: str
    seal: Fernet


@dataclass(frozen=True, kw_only=True, slots=True)
class Namer:
    """Names requests. The platform's processes share the secret."""

    secret: bytes

    def name(self, caller: Caller, *, address: str, path: str, key: str, body: bytes) -> Named:
        """Names a request; `address` is its client's, which tells apart those who share an identity or have none."""
        id_ = self._digest("id", *_identity(caller, address), path, key)
        body = sha256(body).digest()
        return Named(
            tenant_id=caller.tenant_id,
            id=id_,
            body_hash=self._digest("body", id_, body),
            once=self._digest("once", id_, body).hex(),
            seal=Fernet(urlsafe_b64encode(self._digest("seal", path, key, body))),
        )

    def _digest(self, *parts: str | bytes) -> bytes:
        """HMAC-SHA256 of parts, each after its length."""
        digest = hmac.new(self.secret, digestmod="sha256")
        for part in parts:
            encoded = part.encode() if isinstance(part, str) else part
            digest.update(len(encoded).to_bytes(8, "big"))
            digest.update(encoded)
        return digest.digest()


def _identity(caller: Caller, address: str) -> list[str]:
    """What stays the same from one request of a caller to the next. Roles and tokens do not."""
    known = (caller.tenant_id, caller.user_id, caller.key_id, caller.uid, caller.service)
    return [caller.kind, *map(str, known), address if caller.kind in SHARED else ""]
