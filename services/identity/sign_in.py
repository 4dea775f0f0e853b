"""Whose a password is, and how often that may be asked: ten failures a minute for an account, and for an address.

An attempt takes its place in PostgreSQL before the password is looked at, so that no number of attempts at once, on any
number of processes, gets more than ten answers. A failure keeps the place for a minute, everything else gives it back.

Where a person has signed in before, only what fails there counts for the account: an attacker who spends the ten
failures minute after minute shuts nobody out who is at home.
"""

import asyncio
import hmac
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.identity import sign_in_store as store
from services.identity.passwords import TooManyAtOnce, matches
from services.kit.errors import RateLimited, Unauthenticated
from services.kit.networks import network
from services.kit.postgres import Database

MOST_FAILURES = 10
WINDOW = timedelta(minutes=1)
FORGET_SECONDS = 60.0
MOST_AT_ONCE = 50
KEEP_ADDRESSES = timedelta(days=90)
# How long an attempt waits for those before it, whose outcome decides whether it may be made.
PATIENCE_SECONDS, POLL_SECONDS = 10.0, 0.05


class WrongPair(Unauthenticated):
    """No active account found with the given credentials."""


class TooManyFailures(RateLimited):
    """Too many failed attempts to sign in. Try again later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """An attempt within the last minute. `age` is since when."""

    age: timedelta
    is_running: bool


def may_begin(*counted: Sequence[Attempt]) -> bool:
    """Whether one more may begin beside these, of its account and of its address. If not, those that run decide it.

    Raises TooManyFailures with the time until it may.
    """
    left = max(_left(attempts) for attempts in counted)
    if left:
        raise TooManyFailures(retry_after_seconds=math.ceil(left.total_seconds()))
    return max(len(attempts) for attempts in counted) < MOST_FAILURES


def _left(attempts: Sequence[Attempt]) -> timedelta:
    """How long there will be no room for another failure."""
    ages = sorted(attempt.age for attempt in attempts if not attempt.is_running)
    return WINDOW - ages[MOST_FAILURES - 1] if len(ages) >= MOST_FAILURES else timedelta()


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """Checks passwords. `database` is a pool of its own: a flood of attempts holds up nothing else."""

    database: Database
    secret: bytes
    # Those whose clients hung up have no other reference.
    _running: set["asyncio.Task[Row[Any]]"] = field(default_factory=set)

    async def person(self, *, email: str, password: str, address: str) -> Row[Any]:
        """The person with this email and password, asked for from an address.

        Raises WrongPair, TooManyFailures, TooManyAtOnce.
        """
        if len(self._running) >= MOST_AT_ONCE:
            raise TooManyAtOnce
        # To its end, also when the client hangs up: a guess counts.
        task = asyncio.create_task(self._person(email, password, self._name("address", network(address))))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def remember(self, connection: AsyncConnection, *, user_id: int, address: str) -> None:
        """Notes that a person is at home at an address."""
        name = self._name("address", network(address))
        await store.remember_address(connection, user_id=user_id, address=name, keep=KEEP_ADDRESSES)

    async def forget(self) -> None:
        """Deletes attempts that count no longer."""
        async with self.database.system() as connection:
            await store.forget_attempts(connection, older_than=WINDOW)

    async def _person(self, email: str, password: str, address: bytes) -> Row[Any]:
        async with self.database.system() as connection:
            found = await store.find_person(connection, email=email, address=address)
        at_home = found is not None and found.is_known_here
        account = self._name("account", email.lower(), address.hex() if at_home else "")
        attempt_id = await self._begin(account, address)
        try:
            fits = await matches(password, found.password_hash if found else None)
        except TooManyAtOnce:
            await self._end(attempt_id, failed=False)
            raise
        await self._end(attempt_id, failed=not fits)
        if found is None or not fits:
            raise WrongPair
        return found

    async def _begin(self, account: bytes, address: bytes) -> uuid.UUID:
        attempt_id = uuid.uuid4()
        for _ in range(math.ceil(PATIENCE_SECONDS / POLL_SECONDS)):
            async with self.database.system() as connection:
                await store.lock(connection, [account, address])
                rows = await store.recent(connection, account=account, address=address, window=WINDOW)
                if may_begin(
                    [_attempt(row) for row in rows if row.account == account],
                    [_attempt(row) for row in rows if row.address == address],
                ):
                    await store.begin(connection, attempt_id=attempt_id, account=account, address=address)
                    return attempt_id
            await asyncio.sleep(POLL_SECONDS)
        raise TooManyAtOnce

    async def _end(self, attempt_id: uuid.UUID, *, failed: bool) -> None:
        async with self.database.system() as connection:
            await (store.fail if failed else store.give_back)(connection, attempt_id)

    def _name(self, *parts: str) -> bytes:
        """What stands for an account or an address in the database: it says nothing to whoever lacks the secret."""
        return hmac.digest(self.secret, "\0".join(parts).encode(), "sha256")


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(age=row.age, is_running=row.is_running)
