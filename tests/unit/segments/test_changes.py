"""A place in the ledger as a cursor carries it."""

from hypothesis import given
from hypothesis import strategies as st

from services.segments.changes import place_of, text_of


@given(st.integers(min_value=1, max_value=2**63 - 1), st.text(min_size=1))
def test_a_place_reads_back(run_id: int, user_id: str) -> None:
    assert place_of(text_of((run_id, user_id))) == (run_id, user_id)


def test_no_text_is_the_beginning() -> None:
    assert place_of("") == (0, "")
