"""Who a session is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.sessions import Visitor, read_visitor
from services.kit.errors import Invalid

ID = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=251)


@given(ID, ID)
def test_a_user_id_is_the_uid_and_an_anonymous_one_has_a_prefix(user_id: str, anonymous_id: str) -> None:
    assert read_visitor({"user_id": user_id}).uid == user_id
    assert read_visitor({"user_id": user_id, "anonymous_id": anonymous_id}).uid == user_id
    assert read_visitor({"anonymous_id": anonymous_id}).uid == f"anon_{anonymous_id}"


def test_fields_that_are_null_or_empty_were_not_sent() -> None:
    sent = {"user_id": "", "anonymous_id": "a", "user_id_sig": None, "user_id_ts": None}
    assert read_visitor(sent) == Visitor(user_id="", anonymous_id="a", signature=None, signed_at="")


def test_an_empty_signature_is_one() -> None:
    assert read_visitor({"user_id": "a", "user_id_sig": ""}).signature == ""


@pytest.mark.parametrize("signed_at", [1777127520, "1777127520"])
def test_a_time_may_be_a_number_or_text(signed_at: object) -> None:
    assert read_visitor({"user_id": "a", "user_id_ts": signed_at}).signed_at == "1777127520"


def test_every_wrong_field_is_named() -> None:
    with pytest.raises(Invalid) as error:
        read_visitor({"user_id": 1, "anonymous_id": "\x85", "user_id_sig": ["x"], "user_id_ts": True})
    assert set(error.value.fields) == {"user_id", "anonymous_id", "user_id_sig", "user_id_ts"}


@pytest.mark.parametrize("sent", [{}, {"user_id": ""}, {"anonymous_id": None}, {"user_id_sig": "x", "user_id_ts": 1}])
def test_nobody_is_refused(sent: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        read_visitor(sent)
