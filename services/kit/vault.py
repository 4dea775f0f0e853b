"""Secrets that tenants entrust: encrypted in the database, open only in memory while they are used."""

import json
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import Field, SecretStr, field_validator

from services.kit.secret_files import FileSettings


class KeySettings(FileSettings):
    """The keys of a process's vault, from the variable that its own settings name."""

    keys: SecretStr = Field(
        default=SecretStr(""),
        description="Fernet keys (32 bytes, URL-safe base64), with commas. The first encrypts, the others still "
        "decrypt; so does the key made at the first start, which encrypts where none is set. To rotate with several "
        "processes, add the new key behind the old one everywhere, then put it first.",
    )

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr) -> SecretStr:
        for key in _split(keys):
            try:
                Fernet(key)
            except ValueError:
                raise ValueError(
                    "each key must be 32 bytes in URL-safe base64, as Fernet.generate_key() makes"
                ) from None
        return keys

    @property
    def key_list(self) -> list[str]:
        """The keys, the one that encrypts first."""
        return _split(self.keys)


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


def _split(keys: SecretStr) -> list[str]:
    """The texts between the commas, without what is blank."""
    return [key for part in keys.get_secret_value().split(",") if (key := part.strip())]
