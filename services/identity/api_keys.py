"""API keys: 32 random bytes behind a prefix, of which only a hash is stored."""

import hashlib
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from services.identity import store
from services.identity.fields import check_choice, check_name, raise_wrong
from services.identity.origins import check_origins, normal
from services.kit.errors import NotFound
from services.kit.postgres import Database
from services.kit.vault import Vault

PREFIXES: Mapping[str, str] = {"secret": "sk_live_", "public": "pk_live_"}
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
# 62**43 > 2**256: every 32-byte value fits.
KEY_CHARACTERS = 43
# Of the random part.
SHOWN_CHARACTERS = 4
HMAC_SECRET_BYTES = 32
PUBLIC_ONLY = "Only a public key can have this."


def new_key(prefix: str) -> str:
    """A new key: the prefix and 32 random bytes in base62."""
    number = int.from_bytes(secrets.token_bytes(32), "big")
    digits = []
    for _ in range(KEY_CHARACTERS):
        number, digit = divmod(number, len(BASE62))
        digits.append(BASE62[digit])
    return prefix + "".join(reversed(digits))


def hash_key(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Created:
    """A new key. What is beside its row is nowhere else: the whole key and, of a public one, the secret that signs."""

    row: Row[Any]
    key: str
    hmac_secret: str | None


@dataclass(frozen=True, kw_only=True)
class ApiKeys:
    """The keys of tenants."""

    database: Database
    vault: Vault

    async def create(
        self,
        *,
        tenant_id: int,
        name: str,
        key_type: str,
        allowed_origins: Sequence[str],
        require_signed_user_id: bool,
        created_by: int | None,
    ) -> Created:
        """Creates a key in a tenant. Raises Invalid."""
        key_type = key_type or "secret"
        is_public = key_type == "public"
        raise_wrong(
            name=check_name(name),
            key_type=check_choice(key_type, PREFIXES),
            allowed_origins=check_origins(allowed_origins) if is_public else PUBLIC_ONLY if allowed_origins else None,
            require_signed_user_id=PUBLIC_ONLY if require_signed_user_id and not is_public else None,
        )
        prefix = PREFIXES[key_type]
        key = new_key(prefix)
        hmac_secret = secrets.token_hex(HMAC_SECRET_BYTES) if is_public else None
        async with self.database.tenant(tenant_id) as connection:
            row = await store.add_key(
                connection,
                tenant_id=tenant_id,
                name=name.strip(),
                key_type=key_type,
                prefix=key[: len(prefix) + SHOWN_CHARACTERS],
                key_hash=hash_key(key),
                created_by=created_by,
                allowed_origins=[normal(origin) for origin in allowed_origins],
                require_signed_user_id=require_signed_user_id,
                hmac_secret=self.vault.seal(hmac_secret) if hmac_secret else None,
            )
        return Created(row=row, key=key, hmac_secret=hmac_secret)

    async def revoke(self, *, tenant_id: int, key_id: int) -> None:
        """Deletes a key of a tenant. The commit tells every edge. Raises NotFound."""
        async with self.database.tenant(tenant_id) as connection:
            if not await store.delete_key(connection, key_id):
                raise NotFound
