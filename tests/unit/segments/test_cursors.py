"""A cursor is only good for the list it was made for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.segments.cursors import Cursors

CURSORS = Cursors("secret", "lists")


@given(st.text(min_size=1, max_size=256, alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_cursor_reads_back(user_id: str) -> None:
    assert CURSORS.read(1, 2, CURSORS.make(1, 2, user_id)) == user_id


def test_a_cursor_of_another_list_or_key_is_refused() -> None:
    cursor = CURSORS.make(1, 2, "u")
    assert CURSORS.read(1, 3, cursor) is None
    assert CURSORS.read(2, 2, cursor) is None
    assert Cursors("other", "lists").read(1, 2, cursor) is None
    assert Cursors("secret", "other lists").read(1, 2, cursor) is None


def test_tenant_segment_and_user_cannot_be_mixed() -> None:
    assert CURSORS.read(1, 23, CURSORS.make(12, 3, "u")) is None
    assert CURSORS.read(1, 2, CURSORS.make(1, 2, "3 u")[:-2]) is None


@pytest.mark.parametrize("cursor", ["x", "=", "a b", "é", "\0", "AAAA", "A" * 5000, "user-1", "%%%"])
def test_a_forged_cursor_is_refused(cursor: str) -> None:
    assert CURSORS.read(1, 2, cursor) is None


@given(st.integers(min_value=0, max_value=60), st.sampled_from("ABCDabcd0123-_"))
def test_a_changed_cursor_is_refused(place: int, letter: str) -> None:
    cursor = CURSORS.make(1, 2, "user-0000000000000000000000000001")
    place %= len(cursor) - 1
    changed = cursor[:place] + letter + cursor[place + 1 :]
    assert (CURSORS.read(1, 2, changed) is None) == (changed != cursor)
