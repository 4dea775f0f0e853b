"""Replacing the processes of a platform while clients ask, as an operator or an orchestrator does."""

from tests.running import wait_for
from tests.scale.clients import Balancer
from tests.scale.platform import Edge, Replicated

# Each process comes back before the next one goes, and each edge is seen by all.
SEEN_SECONDS = 30.0


def replace_services(platform: Replicated, *names: str) -> None:
    """Ends a process and starts it again, one after the other."""
    for name in names:
        platform.parts[name].stop()
        platform.parts[name].start()
        wait_for(lambda name=name: _is_used(platform, name), SEEN_SECONDS)  # type: ignore[misc]


def replace_edge(platform: Replicated, balancer: Balancer, name: str) -> None:
    """Drains an edge, ends it and starts another one in its place."""
    edge = platform.edges[name]
    edge.say_that_it_leaves()
    wait_for(lambda: balancer.knows_down(edge))
    edge.take_no_more()
    wait_for(lambda: edge.busy() == 0)
    edge.part.stop()
    edge.part.start()
    wait_for(lambda: not balancer.knows_down(edge))


def _is_used(platform: Replicated, name: str) -> bool:
    """Whether both edges send requests to a replica."""
    return all(_is_healthy(edge, name) for edge in platform.edges.values())


def _is_healthy(edge: Edge, name: str) -> bool:
    service, _, number = name.rpartition("-")
    return edge.healthy(service)[int(number) - 1]
