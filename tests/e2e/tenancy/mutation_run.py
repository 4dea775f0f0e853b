"""Sends mutated requests to a platform, and tells what came of them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from rich.table import Table

from services.gen.segops.options.v1 import access_pb2
from tests.e2e.tenancy.asking import sent_by
from tests.e2e.tenancy.calls import Binding, access_of, name_of, one_of_each
from tests.e2e.tenancy.contents import walk
from tests.e2e.tenancy.contract import wrong_in
from tests.e2e.tenancy.mutating import Mutator
from tests.e2e.tenancy.wire import Connection, Sent
from tests.e2e.tenancy.world import World

AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Told:
    """Answers by RPC and status, and what was wrong with some."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, rpc: str, status: int) -> None:
        """Counts an answer."""
        self.statuses.setdefault(rpc, Counter())[status] += 1

    def table(self) -> Table:
        """The statuses of each RPC, and of all."""
        total = sum(self.statuses.values(), Counter[int]())
        table = Table("RPC", *map(str, sorted(total)), show_footer=True, title=f"{total.total()} answers")
        for rpc, counted in sorted(self.statuses.items()):
            table.add_row(rpc, *(str(counted[status] or "") for status in sorted(total)))
        for column, text in zip(table.columns, ("all", *(str(total[status]) for status in sorted(total))), strict=True):
            column.footer = text
        return table


async def send_mutations(
    port: int, told: Told, ours: World, theirs: World, *, number: int, random: Random, sent_one: Callable[[], None]
) -> None:
    """Sends `number` mutations of valid requests of ours; `theirs` may be in no answer. Calls `sent_one` after each."""
    mutator = Mutator(random=random, ids=sorted({value for value in theirs.has.values() if isinstance(value, int)}))
    chosen = random.choices(one_of_each(), k=number)
    # What an Owner alone may do changes the tenant under all the others, and so comes last.
    for is_owners in (False, True):
        part = [binding for binding in chosen if (access_of(binding.rpc) == access_pb2.ACCESS_OWNER) == is_owners]
        # Shared by those who send: each takes the next.
        requests = ((name_of(binding.rpc), _mutated(mutator, ours, binding)) for binding in part)
        await asyncio.gather(*(_send(port, requests, told, theirs.mark, sent_one) for _ in range(AT_ONCE)))
        if not is_owners:
            walk(ours)


def _mutated(mutator: Mutator, ours: World, binding: Binding) -> Sent:
    caller = mutator.random.choice(list(ours.admitted(access_of(binding.rpc))))
    return sent_by(ours, caller, binding, mutator.mutate(binding, ours.samples()[name_of(binding.rpc)]))


async def _send(
    port: int, requests: Iterator[tuple[str, Sent]], told: Told, foreign: str, sent_one: Callable[[], None]
) -> None:
    async with Connection(port) as connection:
        for rpc, request in requests:
            try:
                answer = await connection.ask(request)
            except (OSError, EOFError) as error:
                told.wrong.append(f"{error!r}: {request}")
                continue
            told.add(rpc, answer.status)
            what = "what another has" if foreign in answer.text else wrong_in(request, answer)
            if what:
                told.wrong.append(f"{what}: {request}: {answer}"[:3_000])
            sent_one()
