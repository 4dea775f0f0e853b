"""What a connector's next step is."""

import pytest

from services.connectors.sync_position import NOBODY, Position, State, next_position

OLD, NEW = State(segment_id=1, run_id=10), State(segment_id=1, run_id=20)
OTHER = State(segment_id=2, run_id=15)


def same(*_: int) -> bool:
    return True


def apart(*_: int) -> bool:
    return False


@pytest.mark.parametrize(
    ("sent", "wanted", "target"),
    [
        (NOBODY, NEW, NEW),
        (OLD, NEW, NEW),
        (OLD, OTHER, OTHER),
        (NEW, NEW, None),
        (NOBODY, State(segment_id=1, run_id=0), None),
        (OLD, State(segment_id=2, run_id=0), None),
    ],
)
def test_the_way_leads_to_the_last_run(sent: State, wanted: State, target: State | None) -> None:
    expected = Position(sent=sent, target=target) if target else None
    assert next_position(Position(sent=sent), wanted, same) == expected


@pytest.mark.parametrize("wanted", [NEW, State(segment_id=1, run_id=30)])
def test_a_target_is_completed_before_the_next_one(wanted: State) -> None:
    position = Position(sent=OLD, target=NEW, through="b", tried="d")
    assert next_position(position, wanted, same) == position
    assert position.completed == Position(sent=NEW)
    assert position.is_whole_sync


def test_a_target_of_another_segment_is_given_up_and_taken_back() -> None:
    position = Position(sent=OLD, target=NEW, through="b", tried="d")
    back = next_position(position, OTHER, same)
    assert back == Position(sent=OLD, target=NEW, through="", tried="d", is_reverting=True)
    # Also when the first segment is wanted again meanwhile.
    assert next_position(back, NEW, same) == back
    assert back.completed == Position(sent=OLD)
    assert not back.is_whole_sync


def test_users_leave_a_place_that_is_not_the_next_segments() -> None:
    leaving = next_position(Position(sent=OLD), OTHER, apart)
    assert leaving == Position(sent=OLD, target=State(segment_id=1, run_id=0))
    assert next_position(leaving, OTHER, apart) == leaving
    assert not leaving.is_whole_sync
    assert leaving.completed == Position()
    assert next_position(leaving.completed, OTHER, apart) == Position(target=OTHER)


def test_nobody_asks_for_places_while_the_segment_is_the_same() -> None:
    def never(*_: int) -> bool:
        raise AssertionError

    assert next_position(Position(sent=OLD), NEW, never) == Position(sent=OLD, target=NEW)
    assert next_position(Position(), NEW, never) == Position(target=NEW)
