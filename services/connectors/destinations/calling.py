"""Calls to a vendor's API: what is no success is a reason to try later or to give up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from services.connectors.destinations.interface import Refused, Skipped, TryLater
from services.connectors.network import NoAnswer, NotAllowed
from services.connectors.outbound import Answer, Outbound

TIMEOUT_SECONDS = 30.0
MOST_BODY_BYTES = 2 * 1024 * 1024
# Statuses that pass, beside 5xx.
PASSING = frozenset({408, 425, 429})

# How long a call that only reads is repeated, and the longest wait between two when the vendor does not say.
PATIENCE_SECONDS = 60.0
MOST_WAIT_SECONDS = 10.0

T = TypeVar("T")


class Problem(msgspec.Struct, frozen=True):
    """One error of a vendor's answer. Which keys there are depends on the vendor."""

    detail: str = ""
    details: str = ""
    title: str = ""
    type: str = ""
    input_array: str = ""
    index: int = -1
    source: Mapping[str, object] = {}

    @property
    def text(self) -> str:
        """What it says."""
        return self.detail or self.details or self.title or self.type

    @property
    def pointer(self) -> str:
        """Where in the request it is, as a JSON pointer."""
        return str(self.source.get("pointer") or "")


class Body(msgspec.Struct, frozen=True):
    """What a vendor says of what became of a request."""

    message: str = ""
    errors: Sequence[Problem | str] = ()

    @property
    def words(self) -> str:
        """What it says of the whole, and of the first error."""
        first = next(iter(self.errors), "")
        return " ".join(filter(None, (self.message, first if isinstance(first, str) else first.text)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of users: whether they were taken, but for those at these places, and why those were not."""

    taken: bool
    wrong: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """A vendor's API and what goes with every call of it.

    `passing`: statuses that pass with this vendor. `words`: what it says in an answer that is no success.
    """

    name: str
    url: str
    outbound: Outbound = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS
    most_bytes: int = MOST_BODY_BYTES
    passing: frozenset[int] = PASSING
    words: Callable[[Answer], str] = lambda answer: body_of(answer).words

    async def call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        also: Collection[int] = (),
    ) -> Answer:
        """Calls the API and answers a success, or a status in `also`. Raises Refused or TryLater."""
        try:
            answer = await self.outbound.request(
                method,
                f"{self.url}{path}",
                headers={**self.headers, **(headers or {})},
                content=content,
                timeout_seconds=self.timeout_seconds,
                most_bytes=self.most_bytes,
            )
        except NotAllowed as error:
            raise Refused(str(error)) from error
        except NoAnswer as error:
            raise TryLater(f"{self.name}: {error}") from error
        if answer.is_success or answer.status in also:
            return answer
        raise self.failure(answer)

    def read(self, answer: Answer, kind: type[T]) -> T:
        """What a success says. Raises TryLater when it cannot be read."""
        if (body := decoded(answer, kind)) is None:
            raise TryLater(f"{self.name} gave an answer that could not be read.")
        return body

    def verdict(self, answer: Answer, wrong: Mapping[int, str]) -> Verdict:
        """What became of users of whom the answer names those at some places. Raises Refused when it names none."""
        if not answer.is_success and not wrong:
            raise self.failure(answer)
        return Verdict(taken=answer.is_success, wrong=wrong)

    def failure(self, answer: Answer) -> Refused | TryLater:
        """What an answer that is no success means."""
        words = self.words(answer)
        text = f"{self.name} answered {answer.status}{': ' if words else ''}{words}"
        if answer.status in self.passing or answer.status >= 500:
            return TryLater(text, seconds=retry_after(answer.headers))
        return Refused(text)


def body_of(answer: Answer) -> Body:
    """What an answer says; an empty one when it says nothing that vendors say."""
    return decoded(answer, Body) or Body()


def decoded(answer: Answer, kind: type[T]) -> T | None:
    """The JSON of an answer; None when it is something else."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a Retry-After asks for, which it says in seconds or as a date."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


async def patiently(action: Callable[[], Awaitable[T]]) -> T:
    """What a call that only reads answers, after tries for PATIENCE_SECONDS. Raises Refused or TryLater."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    wait = 0.25
    while True:
        try:
            return await action()
        except TryLater as later:
            wait = min(wait * 2, MOST_WAIT_SECONDS)
            pause = wait if later.seconds is None else later.seconds
            if time.monotonic() + pause > deadline:
                raise
            await asyncio.sleep(pause)


async def send_valid(users: Sequence[str], send: Callable[[Sequence[str]], Awaitable[Verdict]]) -> Sequence[Skipped]:
    """Sends users, again without those that the vendor names as wrong until it takes the others; those."""
    skipped: list[Skipped] = []
    taken = False
    while users and not taken:
        verdict = await send(users)
        skipped += [Skipped(user_id=users[place], reason=reason) for place, reason in verdict.wrong.items()]
        users = [user for place, user in enumerate(users) if place not in verdict.wrong]
        taken = verdict.taken
    return skipped
