"""Signed user ids."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.identity.signatures import is_signed, sign

SECRET = bytes(range(32)).hex()
NOW = 1_777_127_520
VECTOR = "e7f05f96cf9f343da4ee6cbd739592e424fa58f024bd587a3dec25780008402d"


def signed(signature: str, *, user_id: str = "user-123", signed_at: str = str(NOW), now: float = NOW) -> bool:
    return is_signed(SECRET, user_id, signature=signature, signed_at=signed_at, now=now)


def test_the_published_vector_is_signed() -> None:
    assert sign(SECRET, "user-123", str(NOW)) == VECTOR
    assert signed(VECTOR)
    assert signed(VECTOR.upper())


@pytest.mark.parametrize(("seconds", "holds"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_signature_holds_for_five_minutes_either_way(seconds: int, holds: bool) -> None:
    assert signed(VECTOR, now=NOW + seconds) is holds


@pytest.mark.parametrize("time", ["", "soon", "-5", "1777127520.0", "1_777_127_520", "١٧٧٧١٢٧٥٢٠", "9" * 5000, "1|2"])
def test_what_is_no_time_is_not_signed_even_when_the_signature_fits(time: str) -> None:
    assert not signed(sign(SECRET, "user-123", time), signed_at=time)


@given(st.text(max_size=80))
def test_no_other_text_is_a_signature(text: str) -> None:
    assume(text.lower() != VECTOR)
    assert not signed(text)


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_a_signature_is_of_one_user(user_id: str, other: str) -> None:
    assume(user_id != other)
    signature = sign(SECRET, user_id, str(NOW))
    assert signed(signature, user_id=user_id)
    assert not signed(signature, user_id=other)


def test_what_ends_a_user_id_is_not_the_time() -> None:
    signature = sign(SECRET, f"alice|{NOW}", str(NOW))
    assert not signed(signature, user_id="alice", signed_at=f"{NOW}|{NOW}")
