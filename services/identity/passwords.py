"""Password hashes: argon2id with the library's defaults (RFC 9106, low memory), in a thread because they are slow."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()
# Verified in place of an unknown account's hash, so that the answer takes the same time.
_nobody = _hasher.hash("nobody has this password")


async def hash_password(password: str) -> str:
    """The hash to store."""
    return await asyncio.to_thread(_hasher.hash, password)


async def matches(password: str, stored: str | None) -> bool:
    """Whether the password fits a stored hash; for None False, after the same time."""
    fits = await asyncio.to_thread(_verify, password, stored or _nobody)
    return fits and stored is not None


def _verify(password: str, stored: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
