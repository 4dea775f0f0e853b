"""Which rows make up the difference between two states of a destination."""

from dataclasses import dataclass, field

from services.connectors.sync_position import State

# No run has a higher id.
LAST_RUN = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Changes of a segment by the runs after one up to another. Each counts `weight` if the user entered, else
    -`weight`."""

    segment_id: int
    after_run: int
    through_run: int
    weight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """The current members of a segment. Each counts `weight`."""

    segment_id: int
    weight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A user whose rows add up to 1 enters, one whose rows add up to -1 leaves, and with 0 nothing changes."""

    spans: list[Span] = field(default_factory=list)
    members: list[Members] = field(default_factory=list)


def difference(sent: State, target: State) -> Difference:
    """What has to be sent to bring a destination from one state to another."""
    if sent.segment_id == target.segment_id and sent.run_id and target.run_id:
        first, last = sorted((sent.run_id, target.run_id))
        weight = 1 if target.run_id > sent.run_id else -1
        return Difference(spans=[Span(segment_id=sent.segment_id, after_run=first, through_run=last, weight=weight)])
    # The membership after a run is the current one without what changed later. There is little of that, whereas all
    # runs up to the one may be the history of years.
    found = Difference()
    for state, weight in ((target, 1), (sent, -1)):
        if state.run_id:
            found.members.append(Members(segment_id=state.segment_id, weight=weight))
            found.spans.append(
                Span(segment_id=state.segment_id, after_run=state.run_id, through_run=LAST_RUN, weight=-weight)
            )
    return found
