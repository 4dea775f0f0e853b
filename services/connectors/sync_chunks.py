"""Chunks: cut from the changes in their order, and sent several at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from services.connectors.destinations.interface import Chunk, Destination, Skipped
from services.connectors.sync_ledger_store import Change

NAMESPACE = UUID("6f1b2a52-0c5e-4d0e-9a53-3f1f3f0b7d11")


class Changed(Exception):
    """The connector is not what it was when the sync began: what follows has to be decided anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A chunk that the destination took: how many entered and left, and up to which user. `skipped` it left out."""

    through: str
    entered: int
    exited: int
    skipped: Sequence[Skipped]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Flight:
    """A chunk on its way."""

    chunk: Chunk
    through: str
    sending: asyncio.Task[Sequence[Skipped]]

    def landed(self) -> Accepted:
        """What came of it. Raises what sending it raised."""
        return Accepted(
            through=self.through,
            entered=len(self.chunk.entered),
            exited=len(self.chunk.exited),
            skipped=self.sending.result(),
        )


async def cut(windows: AsyncIterator[Sequence[Change]], most: int) -> AsyncGenerator[Sequence[Change]]:
    """The changes in pieces of `most`, the last one of what is left.

    Where pieces begin and end depends on where the first one begins, and not on the windows: a sync that goes on after
    a whole piece cuts the same pieces as the one before it.
    """
    rest: list[Change] = []
    async for window in windows:
        rest += window
        whole = len(rest) - len(rest) % most
        for start in range(0, whole, most):
            yield rest[start : start + most]
        del rest[:whole]
    if rest:
        yield rest


def chunk_of(sync: str, changes: Sequence[Change]) -> Chunk:
    """The chunk of these changes. Its id tells it from every other chunk of the sync, and of other syncs."""
    entered = [user_id for user_id, entered in changes if entered]
    exited = [user_id for user_id, entered in changes if not entered]
    # User ids have no control characters.
    name = "\n".join([sync, *entered, "", *exited])
    return Chunk(id=uuid5(NAMESPACE, name), entered=entered, exited=exited)


async def send_in_order(
    destination: Destination,
    sync: str,
    pieces: AsyncIterator[Sequence[Change]],
    report: Callable[[Sequence[Accepted]], Awaitable[None]],
) -> None:
    """Sends pieces, up to the destination's `parallel` at a time, and reports in their order those that were accepted.

    No more than that many are begun beyond the last one reported. Raises what sending, reading or reporting raises
    first, once nothing is under way any more; after Changed, what was under way is reported too.
    """
    flights: deque[_Flight] = deque()

    async def land() -> None:
        """Waits for the oldest, and reports it with those behind it that are there already."""
        await asyncio.wait([flights[0].sending])
        accepted = [flights[0].landed()]
        flights.popleft()
        while flights and flights[0].sending.done() and not flights[0].sending.exception():
            accepted.append(flights.popleft().landed())
        await report(accepted)

    try:
        try:
            async for piece in pieces:
                chunk = chunk_of(sync, piece)
                sending = asyncio.create_task(destination.send(chunk))
                flights.append(_Flight(chunk=chunk, through=piece[-1][0], sending=sending))
                if len(flights) == destination.parallel:
                    await land()
            while flights:
                await land()
        except Changed:
            while flights:
                await land()
            raise
    except asyncio.CancelledError:
        for flight in flights:
            flight.sending.cancel()
        raise
    finally:
        await asyncio.gather(*(flight.sending for flight in flights), return_exceptions=True)
