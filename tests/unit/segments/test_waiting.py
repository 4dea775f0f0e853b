"""A compute that is put off is tried again soon, and less often the longer it waits."""

from services.segments.jobs import wait_seconds


def test_waits_grow_up_to_a_limit() -> None:
    assert [wait_seconds(waits) for waits in range(7)] == [0, 0.5, 1, 2, 4, 4, 4]


def test_any_number_of_waits_has_a_time() -> None:
    assert wait_seconds(100_000) == 4
