"""When one more password may be tried."""

from datetime import timedelta

import pytest

from services.identity.sign_in import MOST_FAILURES, Attempt, TooManyFailures, may_begin


def failed(*ages: float) -> list[Attempt]:
    return [Attempt(age=timedelta(seconds=age), is_running=False) for age in ages]


def running(count: int) -> list[Attempt]:
    return [Attempt(age=timedelta(), is_running=True)] * count


def test_the_tenth_failure_is_the_last() -> None:
    assert may_begin(failed(*range(MOST_FAILURES - 1)), [])
    with pytest.raises(TooManyFailures):
        may_begin(failed(*range(MOST_FAILURES)), [])


def test_it_is_free_when_the_tenth_failure_from_the_last_is_a_minute_old() -> None:
    with pytest.raises(TooManyFailures) as failure:
        may_begin(failed(59, 50.5, *range(9)), [])
    assert failure.value.retry_after_seconds == 10


def test_the_longer_of_two_refusals_counts() -> None:
    for counted in ((failed(*[50] * 10), failed(*[20] * 10)), (failed(*[20] * 10), failed(*[50] * 10))):
        with pytest.raises(TooManyFailures) as failure:
            may_begin(*counted)
        assert failure.value.retry_after_seconds == 40


def test_those_that_run_are_waited_for() -> None:
    assert not may_begin(running(MOST_FAILURES), [])
    assert not may_begin([], failed(1, 2) + running(MOST_FAILURES - 2))
    assert may_begin(running(MOST_FAILURES - 1), running(MOST_FAILURES - 1))
