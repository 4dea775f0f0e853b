"""Whatever happens during syncs, in the end the destination holds the segment's members and nobody else."""

import asyncio
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.connectors.destinations.interface import Chunk, TryLater
from services.kit.postgres import Database
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.outside import Act, Tool
from tests.integration.connectors.syncing import Syncing

USERS = "abcdefgh"
GENERATED = settings(
    derandomize=True,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass(frozen=True, kw_only=True)
class Compute:
    """A compute of one of the segments, and whom it finds."""

    segment: int
    members: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Choose:
    """The owner gives the connector one of the segments."""

    segment: int


@dataclass(frozen=True, kw_only=True)
class Pause:
    """The owner pauses the connector, or activates it again."""

    status: str


@dataclass(frozen=True, kw_only=True)
class Fail:
    """The destination says to try later, or our process is killed, after it took 0, 1 or 2 halves of a chunk."""

    halves: int
    is_kill: bool


Change = Compute | Choose | Pause
# What happens with a chunk, by its number: changes of the connector and its segment, or a failure.
Plan = dict[int, Change | Fail]

SEGMENTS = st.integers(0, 1)
COMPUTES = st.builds(Compute, segment=SEGMENTS, members=st.frozensets(st.sampled_from(USERS), min_size=1))
CHANGES = st.one_of(
    COMPUTES, st.builds(Choose, segment=SEGMENTS), st.builds(Pause, status=st.sampled_from(["active", "inactive"]))
)
FAILS = st.builds(Fail, halves=st.integers(0, 2), is_kill=st.booleans())
PLANS = st.dictionaries(st.integers(0, 4), st.one_of(FAILS, CHANGES), min_size=1, max_size=3)
# What happens between two attempts to sync, and during the second of them.
ROUNDS = st.lists(st.tuples(st.lists(CHANGES, min_size=1, max_size=3), PLANS), min_size=2, max_size=6)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What happens to a connector, one round after the other, and how it sends."""

    rounds: list[tuple[list[Change], Plan]]
    chunk_users: int
    parallel: int
    window_rows: int
    has_one_list: bool


CASES = st.builds(
    Case,
    rounds=ROUNDS,
    chunk_users=st.integers(1, 3),
    parallel=st.integers(1, 3),
    window_rows=st.integers(1, 5),
    has_one_list=st.booleans(),
)


class World:
    """Two segments, a connector, and a worker that may be killed."""

    def __init__(self, syncing: Syncing, tool: Tool, segments: list[Segment], connector_id: int) -> None:
        self._syncing = syncing
        self._tool = tool
        self._segments = segments
        self._connector_id = connector_id
        self._killed = asyncio.Event()
        self._making: list[asyncio.Task[None]] = []
        self.chosen = segments[0]

    async def make(self, change: Change) -> None:
        match change:
            case Compute(segment=number, members=members):
                await self._syncing.compute(self._segments[number], sorted(members))
            case Choose(segment=number):
                self.chosen = self._segments[number]
                await self._syncing.change(self._connector_id, segment=self.chosen.id)
            case Pause(status=status):
                await self._syncing.change(self._connector_id, status=status)

    async def work(self, plan: Plan) -> None:
        """Runs the sync that waits, if one does, while a plan happens."""
        self._tool.before = self._acting(plan)
        if self._connector_id not in self._syncing.waiting.syncs:
            return
        self._killed.clear()
        running = asyncio.create_task(self._syncing.run(self._connector_id))
        killed = asyncio.create_task(self._killed.wait())
        await asyncio.wait([running, killed], return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
        if not running.done():
            running.cancel()
            await asyncio.wait([running])
            # What comes of a killed worker's job.
            self._syncing.waiting.syncs[self._connector_id] = 0
        else:
            running.result()
        await asyncio.gather(*self._making)

    async def settle(self) -> None:
        """Lets the connector go on until nothing is left to do."""
        await self._syncing.connectors.request_sync(self._syncing.tenant_id, self._connector_id)
        while self._connector_id in self._syncing.waiting.syncs:
            await self.work({})

    def _acting(self, plan: Plan) -> Act:
        first = len(self._tool.chunks)

        async def act(chunk: Chunk) -> None:
            match plan.get(self._tool.chunks.index(chunk, first) - first):
                case Fail(halves=halves, is_kill=is_kill):
                    self._take(chunk, halves)
                    if not is_kill:
                        raise TryLater("Later.")
                    self._killed.set()
                    await asyncio.Event().wait()
                case Compute() | Choose() | Pause() as change:
                    # Whoever does that is not killed with us.
                    making = asyncio.create_task(self.make(change))
                    self._making.append(making)
                    await asyncio.shield(making)

        return act

    def _take(self, chunk: Chunk, halves: int) -> None:
        users = self._tool.lists[self._tool.list]
        users |= set(chunk.entered[: len(chunk.entered) * halves // 2])
        users -= set(chunk.exited[: len(chunk.exited) * halves // 2])


async def check(database: Database, tenant_id: int, case: Case) -> None:
    """The destination holds the members of the connector's segment in the end, whatever happened."""
    tool = Tool(chunk_users=case.chunk_users, parallel=case.parallel)
    syncing = Syncing(database, tenant_id, tool, window_rows=case.window_rows)
    segments = [await Segment.create(database, tenant_id) for _ in range(2)]
    connector_id = await syncing.connector(segments[0], **({"list_id": "L"} if case.has_one_list else {}))
    world = World(syncing, tool, segments, connector_id)
    for segment in segments:
        await syncing.compute(segment, USERS)
    for changes, plan in case.rounds:
        for change in changes:
            await world.make(change)
        await world.work(plan)
        await world.make(Pause(status="active"))
    await world.settle()
    row = await syncing.row(connector_id)
    assert (row.status, row.is_syncing, row.target_segment_id) == ("active", False, None)
    assert tool.lists.pop("L" if case.has_one_list else f"segment {world.chosen.id}") == world.chosen.members
    assert not any(tool.lists.values())
    assert (row.sent_run, row.user_count) == (max(world.chosen.runs), len(world.chosen.members))


@GENERATED
@given(case=CASES)
async def test_the_destination_holds_the_segments_members_in_the_end(
    database: Database, tenant_id: int, case: Case
) -> None:
    await check(database, tenant_id, case)
