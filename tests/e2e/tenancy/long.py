"""100,000 random mutations of valid requests: `make mutate`, with a seed in `SEED` to repeat a run."""

import os
import secrets
from random import Random

import pytest
from rich.console import Console
from rich.progress import Progress

from tests.e2e.tenancy.health import Health
from tests.e2e.tenancy.mutation_run import Told, send_mutations
from tests.e2e.tenancy.world import World, world
from tests.running import Running
from tests.standins.receiver import Receiver

# A tenant and its objects do not outlast many requests that change or delete them.
WORLDS = 25
REQUESTS_OF_A_WORLD = 4_000
SHOWN = 50

pytestmark = pytest.mark.usefixtures("well")


async def test_every_answer_to_a_mutated_request_is_one_of_the_contract(
    platform: Running, url: str, outside: Receiver, theirs: World, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("SEED") or secrets.randbelow(1_000_000))
    told, random, before = Told(), Random(seed), Health.of(platform)
    with capsys.disabled(), Progress() as progress:
        task = progress.add_task(f"seed {seed}", total=WORLDS * REQUESTS_OF_A_WORLD)
        for _ in range(WORLDS):
            with world(url, outside) as ours:
                await send_mutations(
                    platform.settings.edge_port,
                    told,
                    ours,
                    theirs,
                    number=REQUESTS_OF_A_WORLD,
                    random=random,
                    sent_one=lambda: progress.advance(task),
                )
    with capsys.disabled():
        # As wide as the table, wherever it is read.
        console = Console(width=200)
        console.print(told.table(), f"seed {seed}, {len(told.wrong)} wrong; grown by MiB:", before.grown())
        for line in told.wrong[:SHOWN]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    assert not told.wrong
