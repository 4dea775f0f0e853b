"""Password hashes: argon2id, by default as RFC 9106 has it for low memory, in threads because they are slow."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.identity.settings import IdentitySettings
from services.kit.errors import Unavailable

# Each hash takes four threads of its own: whoever tries passwords leaves the processor to others too.
THREADS = max(1, (os.cpu_count() or 1) // 4)
# Of those who wait, at 50 ms each: longer than a second or two nobody should.
MOST_WAITING = 30

T = TypeVar("T")

_hasher = PasswordHasher(memory_cost=IdentitySettings().password_memory_mib * 1024)
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
# Verified in place of an unknown account's hash, so that the answer takes the same time.
_nobody = _hasher.hash("nobody has this password")
_waiting: "set[asyncio.Future[Any]]" = set()


class TooManyAtOnce(Unavailable):
    """Too many people sign in at this moment. Try again in a second."""


async def hash_password(password: str) -> str:
    """The hash to store. Raises TooManyAtOnce."""
    return await _in_turn(lambda: _hasher.hash(password))


async def matches(password: str, stored: str | None) -> bool:
    """Whether the password fits a stored hash; for None False, after the same time. Raises TooManyAtOnce."""
    fits = await _in_turn(lambda: _verify(password, stored or _nobody))
    return fits and stored is not None


async def _in_turn(work: Callable[[], T]) -> T:
    if len(_waiting) >= MOST_WAITING:
        raise TooManyAtOnce
    result = asyncio.get_running_loop().run_in_executor(_threads, work)
    _waiting.add(result)
    result.add_done_callback(_waiting.discard)
    return await result


def _verify(password: str, stored: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
