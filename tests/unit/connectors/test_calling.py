"""What a vendor's answer means."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from services.connectors.destinations.calling import Verdict, body_of, retry_after, send_valid
from services.connectors.outbound import Answer


def answer(body: bytes) -> Answer:
    return Answer(status=400, headers={}, body=body, whole=True)


@pytest.mark.parametrize(("value", "seconds"), [("0", 0), ("17", 17), (" 3 ", 3)])
def test_retry_after_may_be_seconds(value: str, seconds: float) -> None:
    assert retry_after({"retry-after": value}) == seconds


def test_retry_after_may_be_a_date() -> None:
    later = datetime.now(UTC) + timedelta(minutes=5)
    seconds = retry_after({"retry-after": format_datetime(later, usegmt=True)})
    assert seconds is not None
    assert 290 < seconds <= 300
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0


@pytest.mark.parametrize("value", ["", "-1", "1.5", "soon", "٣"])
def test_a_retry_after_that_says_nothing_is_none(value: str) -> None:
    assert retry_after({"retry-after": value}) is None
    assert retry_after({}) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"message": "Invalid API key"}', "Invalid API key"),
        (b'{"message": "Bad", "errors": ["first", "second"]}', "Bad first"),
        (b'{"message": "Bad", "errors": [{"title": "t", "details": "why"}]}', "Bad why"),
        (b'{"errors": [{"detail": "Invalid", "title": "t", "links": {}}]}', "Invalid"),
        (b'{"errors": {"not": "a list"}}', ""),
        (b"[]", ""),
        (b"<html>", ""),
        (b"\xff", ""),
        (b"", ""),
    ],
)
def test_a_vendors_words_are_found_wherever_it_puts_them(body: bytes, words: str) -> None:
    assert body_of(answer(body)).words == words


async def test_users_are_sent_again_without_the_wrong_ones_until_they_are_taken() -> None:
    sent: list[list[str]] = []
    verdicts = iter(
        [
            Verdict(taken=False, wrong={0: "first"}),
            Verdict(taken=False, wrong={1: "second"}),
            Verdict(taken=True, wrong={0: "third"}),
        ]
    )

    async def send(users: Sequence[str]) -> Verdict:
        sent.append(list(users))
        return next(verdicts)

    skipped = await send_valid(["a", "b", "c", "d"], send)
    assert sent == [["a", "b", "c", "d"], ["b", "c", "d"], ["b", "d"]]
    assert [(one.user_id, one.reason) for one in skipped] == [("a", "first"), ("c", "second"), ("b", "third")]
