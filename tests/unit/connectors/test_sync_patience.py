"""How long a sync that failed waits, and what its owner reads."""

from datetime import UTC, datetime, timedelta

import pytest

from services.connectors.sync_patience import MOST_CHARACTERS, Patience, public_text

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PATIENCE = Patience(first=timedelta(seconds=4), longest=timedelta(seconds=100), give_up=timedelta(hours=1))


@pytest.mark.parametrize(("failing", "most"), [(0, 4), (3, 4), (20, 20), (1000, 100)])
def test_waits_grow_with_the_time_it_fails_and_differ(failing: int, most: int) -> None:
    since = NOW - timedelta(seconds=failing)
    waits = {PATIENCE.wait(since, NOW, None).total_seconds() for _ in range(50)}
    assert all(most / 2 <= wait <= most for wait in waits)
    assert len(waits) > 40


@pytest.mark.parametrize(("asked", "waits"), [(50, 50), (3600, 3600), (1e300, 3600)])
def test_it_waits_as_long_as_asked_and_no_longer_than_it_is_tried(asked: float, waits: float) -> None:
    assert PATIENCE.wait(NOW, NOW, asked) == timedelta(seconds=waits)


def test_it_is_given_up_after_its_time() -> None:
    assert not PATIENCE.is_over(NOW - timedelta(minutes=59), NOW)
    assert PATIENCE.is_over(NOW - timedelta(minutes=60), NOW)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Busy.", "Busy."),
        (" one\r\n\ttwo\x00\x1b[31mthree\x85 ", "one two [31mthree"),
        ("the key a-secret-key, a-secret-key!", "the key ***, ***!"),
        ("an ox", "an ox"),
        ("x" * 1000, "x" * (MOST_CHARACTERS - 1) + "…"),
    ],
)
def test_texts_are_one_line_without_secrets_and_not_too_long(text: str, shown: str) -> None:
    assert public_text(text, ["a-secret-key", "ox"]) == shown
