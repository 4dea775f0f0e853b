"""Counting the members that segments have in common."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

ONE, ZERO = ord("1"), b"0"

# Two segments, the one with the lower id first.
Pair = tuple[int, int]


@dataclass(kw_only=True, slots=True)
class Tally:
    """How many persons are in any segment, in each of them, and in each two of them."""

    persons: int = 0
    members: Counter[int] = field(default_factory=Counter)
    pairs: Counter[Pair] = field(default_factory=Counter)

    def add(self, memberships: Sequence[Sequence[int]]) -> None:
        """Counts further persons, of each the segments that they are in."""
        self.persons += len(memberships)
        sets = sorted(_sets(memberships).items())
        for segment_id, members in sets:
            self.members[segment_id] += members.bit_count()
        for (one, members), (other, others) in combinations(sets, 2):
            if common := members & others:
                self.pairs[one, other] += common.bit_count()

    def largest(self, most: int) -> list[tuple[Pair, int]]:
        """The pairs with the most persons in common, most first, then by ids."""
        return sorted(self.pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:most]


def percent_of_smaller(common: int, pair: Pair, members: Mapping[int, int]) -> float:
    """Persons in common as a percentage of those in the smaller segment, to two decimal places."""
    return round(100 * common / min(members[segment_id] for segment_id in pair), 2)


def _sets(memberships: Sequence[Sequence[int]]) -> dict[int, int]:
    """By segment a number whose bits are persons: 10 million memberships in 100 segments take a second so, and no more
    for the pairs of persons who are in all of them.
    """
    digits: defaultdict[int, bytearray] = defaultdict(lambda: bytearray(ZERO) * len(memberships))
    for place, segment_ids in enumerate(memberships):
        for segment_id in segment_ids:
            digits[segment_id][place] = ONE
    return {segment_id: int(written, 2) for segment_id, written in digits.items()}
