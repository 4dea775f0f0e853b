"""Whatever is in a request, wherever in it: it is taken or refused in the contract's words, and nobody falls over."""

import asyncio
from collections.abc import Iterable, Iterator

import pytest

from tests.e2e.tenancy.asking import sent_by
from tests.e2e.tenancy.calls import Binding, access_of, name_of, one_of_each
from tests.e2e.tenancy.contents import read, walk
from tests.e2e.tenancy.contract import wrong_in
from tests.e2e.tenancy.hostile import misuses
from tests.e2e.tenancy.wire import Connection, Sent
from tests.e2e.tenancy.world import World
from tests.running import Running

AT_ONCE = 8
# Of the values in each place; all of them in a long run.
EVERY = 24

pytestmark = pytest.mark.usefixtures("well")


@pytest.fixture(scope="module", autouse=True)
def _readable(ours: World) -> Iterator[None]:
    """What was stored can be read."""
    yield
    # Users of whatever name were tracked, and erased: the file is gone in which they may have been.
    read(ours, but={"SegmentsService/DownloadExport"})
    walk(ours)


@pytest.mark.parametrize("binding", one_of_each(), ids=str)
async def test_hostile_values_are_taken_or_refused_properly(platform: Running, ours: World, binding: Binding) -> None:
    sample = ours.samples()[name_of(binding.rpc)]
    caller = next(iter(ours.admitted(access_of(binding.rpc))))
    # Shared by those who send: each takes the next.
    requests = (sent_by(ours, caller, binding, sent) for sent in misuses(binding, sample, every=EVERY))
    wrong: list[str] = []
    await asyncio.gather(*(_send(platform, requests, wrong) for _ in range(AT_ONCE)))
    assert wrong == []


@pytest.mark.parametrize(("length", "status"), [(58_000, 200), (63_000, 431), (250_000, 431)])
async def test_a_url_is_taken_up_to_60_kib_and_refused_beyond(
    platform: Running, ours: World, length: int, status: int
) -> None:
    key = ours.clients["server"].headers["authorization"].encode()
    target = b"/api/segments/?x=" + b"a" * length
    request = Sent(method=b"GET", target=target, headers=[(b"authorization", key)])
    async with Connection(platform.settings.edge_port) as connection:
        answer = await connection.ask(request)
    assert (answer.status, wrong_in(request, answer)) == (status, "")


async def _send(platform: Running, requests: Iterable[Sent], wrong: list[str]) -> None:
    """Sends one request after the other, and notes what breaks the contract in an answer."""
    async with Connection(platform.settings.edge_port) as connection:
        for request in requests:
            answer = await connection.ask(request)
            if what := wrong_in(request, answer):
                wrong.append(f"{what}: {request.target[:200]!r} {(request.body or b'')[:300]!r}: {answer.body[:300]!r}")
