"""API keys: 32 random bytes behind a prefix, of which only a hash is stored."""

import hashlib
import secrets
import string
from typing import Any

from sqlalchemy import Row

from services.identity import store
from services.identity.fields import check_choice, check_name, raise_wrong
from services.kit.errors import NotFound
from services.kit.postgres import Database

SECRET_PREFIX = "sk_live_"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
# 62**43 > 2**256: every 32-byte value fits.
KEY_CHARACTERS = 43
SHOWN_CHARACTERS = len(SECRET_PREFIX) + 4
KEY_TYPES = ("secret",)


def new_key() -> str:
    """A new secret key: the prefix and 32 random bytes in base62."""
    number = int.from_bytes(secrets.token_bytes(32), "big")
    digits = []
    for _ in range(KEY_CHARACTERS):
        number, digit = divmod(number, len(BASE62))
        digits.append(BASE62[digit])
    return SECRET_PREFIX + "".join(reversed(digits))


def hash_key(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


async def create_key(
    database: Database, *, tenant_id: int, name: str, key_type: str, created_by: int | None
) -> tuple[Row[Any], str]:
    """Creates a key in a tenant: its row and the whole key. Raises Invalid."""
    raise_wrong(name=check_name(name), key_type=check_choice(key_type or "secret", KEY_TYPES))
    key = new_key()
    async with database.tenant(tenant_id) as connection:
        row = await store.add_key(
            connection,
            tenant_id=tenant_id,
            name=name.strip(),
            prefix=key[:SHOWN_CHARACTERS],
            key_hash=hash_key(key),
            created_by=created_by,
        )
    return row, key


async def revoke_key(database: Database, *, tenant_id: int, key_id: int) -> None:
    """Deletes a key of a tenant. The commit tells every edge. Raises NotFound."""
    async with database.tenant(tenant_id) as connection:
        if not await store.delete_key(connection, key_id):
            raise NotFound
