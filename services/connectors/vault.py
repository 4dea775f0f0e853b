"""Secrets of connectors and webhooks: encrypted in the database, open only in memory while they are used."""

import json
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class Unreadable(Exception):
    """The stored secret was encrypted under a key that is not known."""


class Vault:
    """Encrypts under the first of its keys and decrypts under any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Takes Fernet keys (32 bytes, URL-safe base64). Raises ValueError."""
        fernets = [Fernet(key) for key in keys]
        self._first, self._any = fernets[0], MultiFernet(fernets)

    def seal(self, secret: str) -> bytes:
        """A secret as the database may hold it."""
        return self._any.encrypt(secret.encode())

    def unseal(self, sealed: bytes) -> str:
        """The secret. Raises Unreadable."""
        try:
            return self._any.decrypt(sealed).decode()
        except InvalidToken as error:
            raise Unreadable(Unreadable.__doc__) from error

    def seal_all(self, secrets: Mapping[str, str]) -> bytes | None:
        """Secrets by their keys as the database may hold them; None when there are none."""
        return self.seal(json.dumps(secrets)) if secrets else None

    def unseal_all(self, sealed: bytes | None) -> dict[str, str]:
        """Secrets by their keys. Raises Unreadable."""
        secrets: dict[str, str] = json.loads(self.unseal(sealed)) if sealed else {}
        return secrets

    def renewed(self, sealed: bytes) -> bytes | None:
        """The same secret under the first key; None when it is already. Raises Unreadable."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return self.seal(self.unseal(sealed))
        return None
