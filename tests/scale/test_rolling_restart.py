"""A new release comes while clients ask, and nobody notices."""

from concurrent.futures import ThreadPoolExecutor

from tests.chaos.platform import stored
from tests.e2e.account import Account
from tests.e2e.test_segments import compute, create, did, ok
from tests.running import wait_for
from tests.scale.clients import Balancer, Clients
from tests.scale.platform import REPLICATED, Edge, Replicated
from tests.scale.rolling import replace_edge, replace_services


async def test_no_request_fails_while_every_service_and_an_edge_are_replaced(
    platform: Replicated, edges: list[Edge], owner: Account
) -> None:
    balancer = Balancer(edges)
    clients = Clients(balancer, owner, bought(owner))
    with balancer.looking(), clients.asking(edges):
        # As when a chart is upgraded: the deployments at the same time, each one process after the other.
        with ThreadPoolExecutor(len(REPLICATED)) as threads:
            for each in [threads.submit(replace_services, platform, f"{name}-1") for name in REPLICATED]:
                each.result()
        replace_edge(platform, balancer, "envoy-1")
    print(clients.asked)
    assert clients.failures == []
    found = await stored(platform.settings, owner)
    assert all(found[number] == 1 for number in clients.accepted)


def bought(owner: Account) -> int:
    """A segment with one user in it; its id."""
    ok(owner.server.post("/api/ingestion/track/", json={"user_id": "u", "event_type": "bought"}), 202)
    wait_for(lambda: ok(owner.server.get("/api/explorer/users/"))["count"] == 1)
    segment = create(owner, name="Bought", definition=did("bought"))
    compute(owner, segment["id"])
    return int(segment["id"])
