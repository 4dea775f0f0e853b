"""Group commit: requests that wait for the log at the same time share one write to disk."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.ingestion.intake import Storage
from services.ingestion.rows import Rows
from services.kit.errors import Unavailable

# Where requests came while others were written, more are on their way: waiting this long makes a third of the writes.
GATHER_SECONDS = 0.005
# A group takes no further request beyond this; one request may be larger.
MAX_BYTES = 4 * 1024 * 1024
HOUR_CHARACTERS = len("2026-04-25 14")

# Tenant, and hour of receipt: a message of the log belongs to one of each.
Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request's rows, and what is done when they are on disk or refused."""

    rows: Rows
    stored: "asyncio.Future[None]"


class GroupCommit:
    """Hands rows on to a storage: what comes while it writes for a tenant goes into the tenant's next write, together.

    A request alone waits for nobody; many at once cost one fsync instead of one each.
    """

    def __init__(self, storage: Storage, gather_seconds: float = GATHER_SECONDS) -> None:
        self._storage = storage
        self._gather_seconds = gather_seconds
        self._lines: dict[Place, deque[Waiting]] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def store(self, tenant_id: int, rows: Rows) -> None:
        """Returns once the rows are on disk. Raises what the storage raises for the group they came into."""
        place = (tenant_id, rows.received_at[:HOUR_CHARACTERS])
        waiting = Waiting(rows, asyncio.get_running_loop().create_future())
        if place in self._lines:
            self._lines[place].append(waiting)
        else:
            self._lines[place] = deque([waiting])
            task = asyncio.create_task(self._write(place))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
        await waiting.stored

    async def _write(self, place: Place) -> None:
        tenant_id, line = place[0], self._lines[place]
        while line:
            group = next_group(line)
            try:
                if group:
                    await self._storage.store(tenant_id, joined([waiting.rows for waiting in group]))
            except Exception as error:
                refuse(group, error)
                # Those in line have not been sent: refused at once, instead of one long wait after the other.
                refuse(line, Unavailable())
                line.clear()
            else:
                confirm(group)
            if line:
                await asyncio.sleep(self._gather_seconds)
        del self._lines[place]


def next_group(line: deque[Waiting]) -> list[Waiting]:
    """Takes the first requests out of the line, without those nobody waits for any more."""
    group: list[Waiting] = []
    size = 0
    while line and (not group or size + len(line[0].rows.text) <= MAX_BYTES):
        waiting = line.popleft()
        if not waiting.stored.done():
            group.append(waiting)
            size += len(waiting.rows.text)
    return group


def joined(group: Sequence[Rows]) -> Rows:
    """The rows of some requests of one tenant and hour as if they came in one."""
    if len(group) == 1:
        return group[0]
    skipped: Counter[str] = Counter()
    for rows in group:
        skipped.update(rows.skipped)
    return Rows(
        text=b"".join(rows.text for rows in group),
        count=sum(rows.count for rows in group),
        received_at=group[0].received_at,
        derived_ids=[derived_id for rows in group for derived_id in rows.derived_ids],
        skipped=skipped,
    )


def confirm(group: Sequence[Waiting]) -> None:
    """Tells those who still wait that their rows are on disk."""
    for waiting in group:
        if not waiting.stored.done():
            waiting.stored.set_result(None)


def refuse(group: Iterable[Waiting], error: Exception) -> None:
    """Tells those who still wait why their rows are not known to be stored."""
    for waiting in group:
        if not waiting.stored.done():
            waiting.stored.set_exception(error)
