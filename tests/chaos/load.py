"""Numbered events through the edge, over many connections, and a book of what was answered for each."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum

import httpx

SENDERS = 12
USERS = 8
# Longer than the edge takes to answer, whatever happens behind it.
ANSWER_SECONDS = 20.0
ANSWERS = {202, 503, 504}


class Answer(Enum):
    """What a sender was told of an event."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(kw_only=True)
class Book:
    """What was answered for each event, by its number; `answers` counts HTTP statuses, 0 for no answer."""

    told: dict[int, Answer] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    accepted: int = 0

    def note(self, numbers: Sequence[int], answer: Answer) -> None:
        """Writes down what was answered for some events."""
        self.told.update(dict.fromkeys(numbers, answer))
        if answer is Answer.ACCEPTED:
            self.accepted += len(numbers)

    def check(self, stored: Counter[int]) -> None:
        """Every accepted event is stored once, every refused one is not, every other one at most once."""
        accepted, refused = (
            [number for number, told in self.told.items() if told is answer]
            for answer in (Answer.ACCEPTED, Answer.REFUSED)
        )
        faults = {
            "lost": [number for number in accepted if not stored[number]],
            "refused": [number for number in refused if stored[number]],
            "twice": [number for number in self.told if stored[number] > 1],
            "never sent": [number for number in stored if number not in self.told],
        }
        assert not any(faults.values()), (
            {name: (len(numbers), numbers[:1000:100]) for name, numbers in faults.items()},
            self.summary,
        )

    @property
    def summary(self) -> str:
        """The numbers of events and answers."""
        events = Counter(answer.value for answer in self.told.values())
        return f"events {dict(events)}, answers {dict(self.answers)}"


class Load:
    """Senders as real clients are.

    Half of the requests carry message ids and are sent again until they are accepted, as are some that were; the others
    are sent once, so that nothing but their answer tells what became of them.
    """

    def __init__(self, url: str, key: str, *, seed: int, pause: float = 0.02) -> None:
        """`pause`: seconds between two requests of a sender."""
        self.book = Book()
        self._url = url
        self._headers = {"authorization": f"ApiKey {key}"}
        self._seed = seed
        self._pause = pause
        self._numbers = itertools.count()
        self._stopped = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Book]:
        """Sends while the block runs; at its end every request with message ids has been accepted."""
        senders = [asyncio.create_task(self._send(random.Random(self._seed + number))) for number in range(SENDERS)]
        try:
            yield self.book
        finally:
            self._stopped = True
            await asyncio.gather(*senders)

    async def _send(self, chance: random.Random) -> None:
        async with httpx.AsyncClient(
            base_url=self._url, headers=self._headers, timeout=ANSWER_SECONDS, verify=False
        ) as client:
            while not self._stopped:
                count = chance.choice((1, 1, 10, 200))
                numbers = list(itertools.islice(self._numbers, count))
                if chance.random() < 0.5:
                    await self._insist(client, numbers, chance)
                else:
                    self.book.note(numbers, await self._ask(client, numbers, named=False))
                await asyncio.sleep(chance.uniform(0, 2 * self._pause))

    async def _insist(self, client: httpx.AsyncClient, numbers: Sequence[int], chance: random.Random) -> None:
        while await self._ask(client, numbers, named=True) is not Answer.ACCEPTED:
            await asyncio.sleep(chance.uniform(0.05, 0.3))
        self.book.note(numbers, Answer.ACCEPTED)
        if chance.random() < 0.1:
            # The answer might have been lost on its way.
            await self._ask(client, numbers, named=True)

    async def _ask(self, client: httpx.AsyncClient, numbers: Sequence[int], *, named: bool) -> Answer:
        events = [_event(number, named=named) for number in numbers]
        path, body = ("track", events[0]) if len(events) == 1 else ("track/batch", {"events": events})
        try:
            # The request id leads from a number to the lines of the logs.
            answer = await client.post(
                f"/api/ingestion/{path}/", json=body, headers={"x-request-id": f"from-{numbers[0]}"}
            )
        except httpx.TransportError:
            self.book.answers[0] += 1
            return Answer.UNKNOWN
        self.book.answers[answer.status_code] += 1
        assert answer.status_code in ANSWERS, answer.text
        assert next(iter(answer.json())) == ("queued" if answer.status_code == 202 else "detail")
        if answer.status_code == 503:
            assert answer.headers["retry-after"].isdigit()
            return Answer.REFUSED
        return Answer.ACCEPTED if answer.status_code == 202 else Answer.UNKNOWN


def _event(number: int, *, named: bool) -> dict[str, object]:
    event: dict[str, object] = {
        "user_id": f"u{number % USERS}",
        "event_type": "numbered",
        "payload": {"number": number},
    }
    return event | {"message_id": f"m-{number}"} if named else event
