"""Times in and out."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.times import parse_time, parse_times, utc_text


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-04-25T14:32:00Z", "2026-04-25 14:32:00.000"),
        ("2026-04-25t14:32:00z", "2026-04-25 14:32:00.000"),
        ("2026-04-25 14:32:00", "2026-04-25 14:32:00.000"),
        ("2026-04-25T14:32:00.1", "2026-04-25 14:32:00.100"),
        ("2026-04-25T14:32:00.1239Z", "2026-04-25 14:32:00.123"),
        ("2026-04-25T14:32:59.9999999999+02:00", "2026-04-25 12:32:59.999"),
        ("2026-04-25T00:00:00.5-05:30", "2026-04-25 05:30:00.500"),
        ("2024-02-29T23:59:59+00:00", "2024-02-29 23:59:59.000"),
    ],
)
def test_a_time_is_taken_to_utc_and_cut_to_milliseconds(sent: str, kept: str) -> None:
    assert parse_time(sent) == kept
    assert list(parse_times([sent, sent])) == [kept, kept]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-04-25",
        "2026-04-25T14:32Z",
        "2026-04-25T24:00:00Z",
        "2026-04-25T23:59:60Z",
        "2025-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-04-25T14:32:00,5Z",
        "2026-04-25T14:32:00+25:00",
        "2026-04-25T14:32:00Z,2026-04-25T14:32:00Z",
        "9999-12-31T23:59:59-05:00",
        "٢٠٢٦-04-25T14:32:00Z",
    ],
)
def test_what_is_no_time_is_refused_alone_and_among_others(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_time(text)
    for texts in ([text], [text, text], ["2026-04-25T14:32:00Z", text]):
        with pytest.raises(ValueError, match="time"):
            parse_times(texts)


ZONES = st.sampled_from(["Z", "+00:00", "", "+02:00", "-00:30"])
FORMATS = st.sampled_from(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"])
MOMENTS = st.datetimes().filter(lambda moment: 1970 < moment.year < 2200)


@given(st.lists(MOMENTS, min_size=1, max_size=5), FORMATS, ZONES)
def test_times_at_once_are_the_times_one_by_one(moments: list[datetime], form: str, zone: str) -> None:
    texts = [moment.strftime(form) + zone for moment in moments]
    assert list(parse_times(texts)) == [parse_time(text) for text in texts]


@given(st.lists(st.tuples(MOMENTS, FORMATS, ZONES), min_size=1, max_size=5))
def test_times_written_differently_are_the_times_one_by_one(items: list[tuple[datetime, str, str]]) -> None:
    texts = [moment.strftime(form) + zone for moment, form, zone in items]
    assert list(parse_times(texts)) == [parse_time(text) for text in texts]


def test_a_moment_of_ours_is_cut_not_rounded() -> None:
    assert utc_text(datetime(2026, 1, 1, 0, 0, 59, 999_999, tzinfo=UTC)) == "2026-01-01 00:00:59.999"
