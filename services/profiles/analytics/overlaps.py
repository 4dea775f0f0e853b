"""Which segments have the most members in common."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.profiles.analytics import store
from services.profiles.analytics.member_counts import MemberCounting
from services.profiles.analytics.tally import Pair, percent_of_smaller

# The edge waits 30.
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """Two segments, the one with the lower id first, and the persons that they have in common."""

    pair: Pair
    names: tuple[str, str]
    persons: int
    percent_of_smaller: float


async def largest_overlaps(counting: MemberCounting, tenant_id: int) -> Sequence[Overlap]:
    """The pairs of segments with the most persons in common, most first, then by ids. Raises StillCounting."""
    counts = await counting.of(tenant_id, seconds=PATIENCE_SECONDS)
    async with counting.database.tenant(tenant_id) as connection:
        names = await store.names_of(connection, tenant_id, {each for pair, _ in counts.largest for each in pair})
    return [
        Overlap(
            pair=pair,
            names=(names[pair[0]], names[pair[1]]),
            persons=persons,
            percent_of_smaller=percent_of_smaller(persons, pair, counts.members),
        )
        for pair, persons in counts.largest
        # Not those that were deleted just now.
        if names.keys() >= set(pair)
    ]
