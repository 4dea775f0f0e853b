"""Random mutations of valid requests, in short; `make mutate` sends 100,000."""

from random import Random

import pytest

from tests.e2e.tenancy.mutation_run import Told, send_mutations
from tests.e2e.tenancy.world import World, world
from tests.running import Running
from tests.standins.receiver import Receiver

SEED = 20260425
NUMBER = 1_000

pytestmark = pytest.mark.usefixtures("well")


async def test_every_answer_to_a_mutated_request_is_one_of_the_contract(
    platform: Running, url: str, outside: Receiver, theirs: World
) -> None:
    told, random = Told(), Random(SEED)
    with world(url, outside) as ours:
        await send_mutations(
            platform.settings.edge_port, told, ours, theirs, number=NUMBER, random=random, sent_one=lambda: None
        )
    assert not told.wrong, "\n".join(told.wrong[:50])
