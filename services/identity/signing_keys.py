"""The keys that sign tokens. One signs at a time; those before it still verify, and the next one is shown beforehand.

Nothing is remembered between calls, so that every process signs and verifies by the same keys at every moment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.identity import signing_key_store as store
from services.identity.tokens import NOT_VALID, REFRESH, TokenSigner, key_id_of, key_set
from services.kit.errors import Unauthenticated
from services.kit.keys import ACCESS_KEY, private_key
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.kit.vault import Vault

FORGET_SECONDS = 3600.0
# How long a key verifies after its successor began to sign: the longest token, and what clocks may differ.
VERIFIES = REFRESH + timedelta(hours=1)


def first_key(settings: Settings) -> Ed25519PrivateKey:
    """The key of a platform that has none in its database: the one of an earlier version, or a new one."""
    if (settings.secrets_dir / ACCESS_KEY).exists():
        return private_key(settings, ACCESS_KEY)
    return Ed25519PrivateKey.generate()


@dataclass(frozen=True, kw_only=True)
class SigningKeys:
    """Signs, verifies, rotates. `first` makes the key of a platform that has none."""

    database: Database
    vault: Vault
    publication: timedelta
    first: Callable[[], Ed25519PrivateKey]

    async def signer(self, connection: AsyncConnection) -> TokenSigner:
        """Signs with the key whose turn it is."""
        keys = await self._keys(connection)
        # A process whose clock lags sees a first key that is not due yet.
        current = next((key for key in reversed(keys) if key.has_begun), keys[0])
        return TokenSigner(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.vault.unseal(current.private_key))))

    async def verifier(self, connection: AsyncConnection, key_id: str) -> Ed25519PublicKey:
        """The key that goes by an id. Raises Unauthenticated when there is none, or none any more."""
        for key in await self._keys(connection):
            if key.id == key_id:
                return Ed25519PublicKey.from_public_bytes(key.public_key)
        raise Unauthenticated(NOT_VALID)

    async def require(self, connection: AsyncConnection, key_id: str) -> None:
        """Raises Unauthenticated unless tokens of this key hold."""
        if not await store.has_key(connection, key_id):
            raise Unauthenticated

    async def key_set(self) -> bytes:
        """Every key that verifies, and the next one, as a JSON Web Key Set."""
        async with self.database.system() as connection:
            keys = await self._keys(connection)
        return key_set(Ed25519PublicKey.from_public_bytes(key.public_key) for key in keys)

    async def rotate(self, *, now: bool) -> Row[Any]:
        """Adds a key that signs after its publication; with `now` at once, and in place of all others."""
        async with self.database.system() as connection:
            await self._keys(connection)
            await store.lock(connection)
            if now:
                await store.delete_all(connection)
            return await self._add(
                connection, Ed25519PrivateKey.generate(), signs_after=timedelta() if now else self.publication
            )

    async def forget(self) -> None:
        """Deletes the keys of which no token is left."""
        async with self.database.system() as connection:
            await store.delete_superseded(connection, since=VERIFIES)

    async def _keys(self, connection: AsyncConnection) -> Sequence[Row[Any]]:
        """All keys. The first of them is made here, by whichever process needs it first."""
        if keys := await store.list_keys(connection):
            return keys
        await store.lock(connection)
        if not await store.list_keys(connection):
            await self._add(connection, self.first(), signs_after=timedelta())
        return await store.list_keys(connection)

    async def _add(self, connection: AsyncConnection, key: Ed25519PrivateKey, *, signs_after: timedelta) -> Row[Any]:
        public_key = key.public_key()
        return await store.add_key(
            connection,
            key_id=key_id_of(public_key),
            public_key=public_key.public_bytes_raw(),
            private_key=self.vault.seal(key.private_bytes_raw().hex()),
            signs_after=signs_after,
        )
