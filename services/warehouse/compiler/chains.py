"""How far a person got in a sequence: for people to read, beside the check that decides."""

from collections.abc import Sequence
from itertools import groupby

from services.warehouse.compiler.sequences import Steps

RANK_BITS = 4
RANK = (1 << RANK_BITS) - 1


def longest_chain(steps: Steps, history: Sequence[int]) -> tuple[int, ...]:
    """The times of the first steps, in milliseconds: as many as were done in a row, the latest where several were.

    `history` are the sorted numbers of the person's events.
    """
    count = len(steps.condition.events)
    longest: tuple[int, ...] = ()
    # Beside each step the latest chain that ended with it.
    chains: dict[int, tuple[int, ...]] = {}
    for time, numbers in groupby(history, lambda number: number >> RANK_BITS):
        done = (count - 1 - (number & RANK) for number in numbers)
        goes_on = {step: (*chains.get(step - 1, ()), time) for step in done if step == 0 or step - 1 in chains}
        reached = {step: chain for step, chain in goes_on.items() if time - chain[0] <= steps.window}
        chains = reached if steps.condition.strict else chains | reached
        longest = max([longest, *reached.values()], key=lambda chain: (len(chain), chain))
    return longest
