"""More losses and restarts, of everything and several times: `make scale`."""

from functools import partial

import pytest

from tests.chaos.platform import stored
from tests.e2e.account import Account
from tests.scale.clients import Balancer, Clients
from tests.scale.conftest import edges, owner, platform
from tests.scale.losing import lose_database, lose_server, survives
from tests.scale.platform import Edge, Replicated
from tests.scale.rolling import replace_edge, replace_services
from tests.scale.test_rolling_restart import bought

__all__ = ["edges", "owner", "platform"]

ROUNDS = 3


@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize("leader", [True, False], ids=["leader", "follower"])
async def test_no_accepted_event_is_lost_with_a_server_of_the_log(
    platform: Replicated, owner: Account, capsys: pytest.CaptureFixture[str], leader: bool, seed: int
) -> None:
    told = await survives(platform, owner, partial(lose_server, leader=leader), seed=seed)
    with capsys.disabled():
        print(f"\n{'leader' if leader else 'follower'} killed: {told}")


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_what_was_answered_survives_the_database(
    platform: Replicated, owner: Account, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    told = await survives(platform, owner, lose_database, seed=seed)
    with capsys.disabled():
        print(f"\ndatabase killed: {told}")


async def test_no_request_fails_while_each_process_is_replaced_one_after_the_other(
    platform: Replicated, edges: list[Edge], owner: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    balancer = Balancer(edges)
    clients = Clients(balancer, owner, bought(owner))
    with balancer.looking(), clients.asking(edges):
        for name in platform.replicated:
            replace_services(platform, name)
        for name in platform.edges:
            replace_edge(platform, balancer, name)
    with capsys.disabled():
        print(f"\nreplaced under load: {dict(clients.asked)}, failed {len(clients.failures)}")
    assert clients.failures == []
    found = await stored(platform.settings, owner)
    assert all(found[number] == 1 for number in clients.accepted)
