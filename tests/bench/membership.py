"""Which segments is this user in: through the edge, through an Envoy that lets all in, and straight over gRPC."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.gen.segops.segments.v1 import segments_pb2_grpc
from services.kit.channel import connect
from tests.bench.load import CONNECTIONS, Answer, Load, request, run_load
from tests.bench.open_envoy import open_envoy
from tests.bench.platform import identity
from tests.bench.usage import Usage, watched
from tests.e2e.account import Account
from tests.e2e.segopsctl import segopsctl
from tests.running import Running

PATH = "/api/segments/membership"
# A limit that is kept count of and never met.
CALLS_A_MINUTE = 1_000_000_000
# The ways through Envoy take turns: what else the machine does meanwhile then weighs on both.
TURNS = 4

Done = Callable[[int], object]


@dataclass(frozen=True, kw_only=True)
class Membership:
    """Checks by way, and what the platform used during those through the edge."""

    edge: Load
    grpc: Load
    unguarded: Load
    usage: Usage


def checks_of(users: Sequence[str], *, authorization: str = "") -> list[bytes]:
    """A request for each user."""
    return [request("GET", f"{PATH}/?user_id={quote(user)}", authorization=authorization) for user in users]


async def measure(
    running: Running,
    account: Account,
    segment_id: int,
    members: Sequence[str],
    *,
    seconds: float,
    done: Done = lambda _: None,
) -> Membership:
    """Checks members for so many seconds each way. Raises LoadFailed when one is not in the segment."""
    mark = f'"segment_id":{segment_id},'.encode()

    def is_right(answer: Answer) -> bool:
        return answer.status == 200 and mark in answer.body

    async def over_http(port: int, requests: list[bytes]) -> Load:
        load = await run_load(port, itertools.cycle(requests), is_right=is_right, seconds=seconds / TURNS)
        load.raise_errors()
        return load

    limited = segopsctl(
        running, "tenants", "set-plan", account.slug, "enterprise", "--api-calls-per-minute", str(CALLS_A_MINUTE)
    )
    assert limited.returncode == 0, limited.stderr
    authorization = f"ApiKey {account.key}"
    guarded, unguarded = checks_of(members, authorization=authorization), checks_of(members)
    metadata = identity(running.settings, account.tenant_id)
    async with watched(running) as usage:
        edge = await over_http(running.settings.edge_port, guarded)
    with open_envoy(running.settings, metadata) as port:
        past = await over_http(port, unguarded)
        done(1)
        for _ in range(TURNS - 1):
            edge += await over_http(running.settings.edge_port, guarded)
            past += await over_http(port, unguarded)
            done(1)
    grpc = await _over_grpc(running, metadata, segment_id, members, seconds)
    done(1)
    return Membership(edge=edge, grpc=grpc, unguarded=past, usage=usage)


async def _over_grpc(
    running: Running, metadata: tuple[tuple[str, str], ...], segment_id: int, members: Sequence[str], seconds: float
) -> Load:
    """As many calls at a time as there are connections on the other ways."""
    load = Load()
    channel = connect(running.settings, "segments")
    check = segments_pb2_grpc.SegmentsServiceStub(channel).GetMembership
    users = itertools.cycle(members)
    started, cpu = time.perf_counter(), time.process_time()

    async def lane() -> None:
        while (sent := time.perf_counter()) < started + seconds:
            found = await check(pb.GetMembershipRequest(user_id=next(users)), metadata=metadata)
            load.latencies.append(time.perf_counter() - sent)
            if segment_id not in [entry.segment_id for entry in found.segments]:
                load.errors.append(f"{found.user_id} is not in segment {segment_id}")

    await asyncio.gather(*(lane() for _ in range(CONNECTIONS)))
    load.seconds, load.generator_seconds = time.perf_counter() - started, time.process_time() - cpu
    await channel.close()
    load.raise_errors()
    return load
