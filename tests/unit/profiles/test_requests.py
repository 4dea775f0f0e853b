"""Checks of requests."""

import pytest

from services.gen.segops.profiles.v1 import profiles_pb2 as pb
from services.kit.errors import Invalid
from services.kit.wire import moment
from services.profiles.requests import checked_user_id, event_search, user_search

NOT_A_TIME = "Must be an RFC 3339 time, such as 2026-04-25T14:32:00Z."


def test_every_wrong_field_of_an_event_search_is_named() -> None:
    request = pb.ListUserEventsRequest(user_id="", event_type="t" * 129, since="monday", until="1", limit=0, page=0)
    with pytest.raises(Invalid) as raised:
        event_search(request)
    assert set(raised.value.fields) == {"user_id", "event_type", "since", "until", "limit", "page"}
    assert raised.value.fields["since"] == [NOT_A_TIME]


@pytest.mark.parametrize("text", ["2026-04-25T14:32:00Z", "2026-04-25T16:32:00+02:00", "2026-04-25T14:32:00"])
def test_times_are_asked_for_in_utc(text: str) -> None:
    _, question = event_search(pb.ListUserEventsRequest(user_id="u", since=text))
    assert moment(question.since).isoformat() == "2026-04-25T14:32:00+00:00"
    assert not question.HasField("until")


def test_times_between_milliseconds_are_not_cut() -> None:
    request = pb.ListUserEventsRequest(
        user_id="u", since="2026-04-25T14:32:00.0005Z", until="2026-04-25T14:32:00.0015Z"
    )
    _, question = event_search(request)
    assert (question.since.nanos, question.until.nanos) == (500_000, 1_500_000)


@pytest.mark.parametrize("text", ["a\0", "\n", "\x7f", "\x9f"])
def test_no_text_has_a_control_character(text: str) -> None:
    for ask in (
        lambda: user_search(pb.SearchUsersRequest(q=text)),
        lambda: checked_user_id(text),
        lambda: event_search(pb.ListUserEventsRequest(user_id="u", event_type=text)),
    ):
        with pytest.raises(Invalid) as raised:
            ask()
        assert list(raised.value.fields.values()) == [["Control characters are not allowed."]]


def test_a_page_of_events_is_asked_for_by_offset() -> None:
    page, question = event_search(pb.ListUserEventsRequest(user_id="u", page=3, page_size=20))
    assert (question.limit, question.offset) == (page.limit, page.offset) == (20, 40)


@pytest.mark.parametrize("user_id", ["", "u" * 257])
def test_a_user_id_has_1_to_256_characters(user_id: str) -> None:
    with pytest.raises(Invalid) as raised:
        checked_user_id(user_id)
    assert set(raised.value.fields) == {"user_id"}
    assert checked_user_id("é" * 256) == "é" * 256


def test_a_search_text_has_at_most_256_characters() -> None:
    with pytest.raises(Invalid) as raised:
        user_search(pb.SearchUsersRequest(q="q" * 257, limit=201))
    assert set(raised.value.fields) == {"q", "limit"}
    _, question = user_search(pb.SearchUsersRequest())
    assert (question.query, question.limit, question.offset) == ("", 50, 0)
