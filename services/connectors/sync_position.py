"""How far a connector has come, and what its next step is. Pure decisions.

A connector goes from the state it has sent to a target: the membership of its segment after a run. On the way every
user is in one of three zones, by id:

    up to `through`                 as after the target
    after it, up to `tried`         either: a chunk with them may be under way, or its answer was lost
    after that                      as they were sent

A target that was begun is completed before the next one, so that nobody in the middle zone is forgotten. Only when the
connector got another segment meanwhile, the target is given up: the sync reverts, over the users up to `tried` and no
others, to what was sent before.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """The membership of a segment after a run; after run 0 nobody is in it."""

    segment_id: int
    run_id: int


NOBODY = State(segment_id=0, run_id=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """What was sent, and how far the way to a target, or back from it, has been gone."""

    sent: State = NOBODY
    target: State | None = None
    through: str = ""
    tried: str = ""
    is_reverting: bool = False

    @classmethod
    def of(cls, row: Row[Any]) -> "Position":
        """The position in a connector's row."""
        target = None
        if row.target_segment_id is not None:
            target = State(segment_id=row.target_segment_id, run_id=row.target_run)
        return cls(
            sent=State(segment_id=row.sent_segment_id, run_id=row.sent_run) if row.sent_run else NOBODY,
            target=target,
            through=row.sent_through or "",
            tried=row.tried_through or "",
            is_reverting=row.is_reverting,
        )

    @property
    def columns(self) -> dict[str, object]:
        """The position as a connector's row has it."""
        target = self.target
        return {
            "sent_segment_id": self.sent.segment_id or None,
            "sent_run": self.sent.run_id,
            "target_segment_id": target.segment_id if target else None,
            "target_run": target.run_id if target else None,
            "sent_through": self.through if target else None,
            "tried_through": self.tried if target else None,
            "is_reverting": self.is_reverting,
        }

    @property
    def is_whole_sync(self) -> bool:
        """Whether its end is that of a sync: it is no way back, and nothing is to follow as after leaving a place."""
        return not self.is_reverting and self.target is not None and bool(self.target.run_id)

    @property
    def completed(self) -> "Position":
        """The position when everybody on the way was accepted."""
        assert self.target is not None
        if self.is_reverting:
            return Position(sent=self.sent)
        return Position(sent=self.target if self.target.run_id else NOBODY)


def next_position(position: Position, wanted: State, is_same_place: Callable[[int, int], bool]) -> Position | None:
    """The position from which the next step is made; None when what is wanted was sent, or was never computed.

    `wanted` is the connector's segment after its last run. `is_same_place` tells whether two segments are sent to the
    same place: where they are not, those of the old one leave its place before the new one is sent.
    """
    target = position.target
    if target is not None:
        is_given_up = target.segment_id != wanted.segment_id and target.run_id and not position.is_reverting
        return replace(position, is_reverting=True, through="") if is_given_up else position
    sent = position.sent
    if sent == wanted or not wanted.run_id:
        return None
    if sent.run_id and sent.segment_id != wanted.segment_id and not is_same_place(sent.segment_id, wanted.segment_id):
        return Position(sent=sent, target=State(segment_id=sent.segment_id, run_id=0))
    return Position(sent=sent, target=wanted)
