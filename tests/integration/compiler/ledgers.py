"""Generated ledgers of segments: who entered and left in which run, and when that was."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from tests.integration.compiler.histories import DAYS, NOW
from tests.oracle.history import Event

SEGMENTS = (3, 4)
RUNS = 4


@dataclass(frozen=True, kw_only=True)
class Change:
    """A user enters or leaves a segment in one of its runs."""

    segment_id: int
    run_id: int
    user_id: str
    entered: bool
    at: datetime


def ledger(history: list[Event], seed: int) -> list[Change]:
    """Changes of all segments over some runs: in each some of the users who had events by then enter or leave."""
    changes = []
    first_seen: dict[str, datetime] = {}
    for event in history:
        first_seen[event.user_id] = min(event.occurred_at, first_seen.get(event.user_id, event.occurred_at))
    for segment_id in SEGMENTS:
        random = Random(f"{seed} {segment_id}")
        members: set[str] = set()
        for run_id in range(1, RUNS + 1):
            at = NOW - timedelta(days=DAYS[-run_id]) + timedelta(milliseconds=random.choice((-1, 0, 1)))
            moving = {user for user, seen in sorted(first_seen.items()) if seen <= at and random.random() < 0.4}
            changes += [
                Change(segment_id=segment_id, run_id=run_id, user_id=user, entered=user not in members, at=at)
                for user in sorted(moving)
            ]
            members ^= moving
    return changes


def members(changes: list[Change], *, runs: dict[int, int], until: datetime | None = None) -> dict[int, set[str]]:
    """The members of each segment after one of its runs, and at an instant if given."""
    found: dict[int, set[str]] = {segment_id: set() for segment_id in runs}
    for change in sorted(changes, key=lambda change: change.run_id):
        if change.run_id <= runs.get(change.segment_id, 0) and (until is None or change.at <= until):
            (found[change.segment_id].add if change.entered else found[change.segment_id].discard)(change.user_id)
    return found
