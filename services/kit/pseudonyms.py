"""Names of users that nobody can tell without the installation's key: what is kept of those who were erased."""

from hashlib import blake2b
from typing import Self

from services.kit.keys import ERASURE_KEY, secret
from services.kit.settings import Settings

BYTES = 16


class Pseudonyms:
    """Names users of tenants, each always alike."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    @classmethod
    def of_installation(cls, settings: Settings) -> Self:
        """Under this installation's key."""
        return cls(secret(settings, ERASURE_KEY))

    def name(self, tenant_id: int, user_id: str | bytes) -> bytes:
        """The pseudonym of a tenant's user, whose id may be given in UTF-8."""
        encoded = user_id.encode() if isinstance(user_id, str) else user_id
        return blake2b(b"%d:%s" % (tenant_id, encoded), digest_size=BYTES, key=self._key).digest()
