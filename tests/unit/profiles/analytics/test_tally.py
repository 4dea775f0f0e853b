"""What segments have in common, against sets of Python."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from services.profiles.analytics.tally import Tally, percent_of_smaller

persons = st.lists(st.sets(st.integers(1, 8), min_size=1), max_size=60)


@given(persons=persons, at_once=st.integers(1, 70))
def test_every_pair_is_counted_whatever_comes_at_once(persons: list[set[int]], at_once: int) -> None:
    tally = Tally()
    for start in range(0, len(persons), at_once):
        tally.add([list(segments) for segments in persons[start : start + at_once]])
    members = {
        segment: {place for place, segments in enumerate(persons) if segment in segments} for segment in range(1, 9)
    }
    assert tally.persons == len(persons)
    assert dict(tally.members) == {segment: len(those) for segment, those in members.items() if those}
    common = {pair: len(members[pair[0]] & members[pair[1]]) for pair in combinations(range(1, 9), 2)}
    assert dict(tally.pairs) == {pair: count for pair, count in common.items() if count}


def test_of_equal_pairs_those_with_lower_ids_are_first() -> None:
    tally = Tally()
    tally.add([[3, 1], [2, 3], [4, 2, 1], [4, 2]])
    expected = [((2, 4), 2), ((1, 2), 1), ((1, 3), 1), ((1, 4), 1), ((2, 3), 1)]
    assert tally.largest(9) == expected
    assert tally.largest(2) == expected[:2]


def test_the_percentage_is_of_the_smaller_segment_to_two_places() -> None:
    members = {1: 3, 2: 7, 3: 3}
    assert percent_of_smaller(1, (1, 2), members) == 33.33
    assert percent_of_smaller(2, (1, 2), members) == 66.67
    assert percent_of_smaller(3, (1, 3), members) == 100.0
