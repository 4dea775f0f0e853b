"""received = stored + duplicate + skipped, per hour and event type, always."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.kit.settings import Settings
from tests.integration.ingestion.accounting import Counts, Sender, event, too_early

TYPES = ["a", "b\\t", "é🜚", "A b"]
MESSAGE_IDS = [None, "1", "2", "3", "4"]

VALID = st.builds(event, st.sampled_from(TYPES), st.sampled_from(MESSAGE_IDS))
# Invalid events with a valid type, and those without one.
SKIPPED = st.builds(
    lambda kind, wrong: event(kind, "1", **wrong),
    st.sampled_from(TYPES),
    st.sampled_from([{"user_id": ""}, {"payload": [1]}, {"occurred_at": too_early()}, {"anonymous_id": 5}]),
)
NAMELESS: st.SearchStrategy[object] = st.sampled_from(
    [1, None, [], {}, event(""), event("x" * 129), event("a\tb"), event("a\ud800")]
)
BATCHES = st.lists(st.lists(VALID | VALID | SKIPPED | NAMELESS, min_size=1, max_size=8), min_size=1, max_size=4)


def expected_accounts(batches: list[list[object]]) -> tuple[list[Counts], dict[str, Counts]]:
    """What becomes of the events of each batch, and of each type."""
    seen: set[str] = set()
    answers: list[Counts] = []
    by_type: dict[str, Counts] = {}
    for batch in batches:
        total = Counts()
        for sent in batch:
            kind, counts = fate(sent, seen)
            by_type[kind] = by_type.get(kind, Counts()) + counts
            total += counts
        answers.append(total)
    return answers, by_type


def fate(sent: object, seen: set[str]) -> tuple[str, Counts]:
    if not isinstance(sent, dict) or sent.get("event_type") not in TYPES:
        return "", Counts(skipped=1)
    kind, message_id = sent["event_type"], sent["message_id"]
    if set(sent) != set(event()) or not sent["user_id"]:
        return kind, Counts(skipped=1)
    if message_id is None:
        return kind, Counts(stored=1)
    known = message_id in seen
    seen.add(message_id)
    return kind, Counts(duplicate=1) if known else Counts(stored=1)


@hypothesis_settings(
    derandomize=True, deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=BATCHES)
def test_every_event_is_accounted_for_as_what_it_was(
    settings: Settings, replicas: list[grpc.Channel], batches: list[list[object]]
) -> None:
    sender = Sender(settings, *replicas)
    answers, by_type = expected_accounts(batches)
    assert [sender.batch(batch) for batch in batches] == answers
    assert sender.accounted(sum(map(len, batches))) == by_type


def test_single_events_are_accounted_for_too_also_those_that_are_refused(
    settings: Settings, replicas: list[grpc.Channel]
) -> None:
    sender = Sender(settings, *replicas)
    assert [sender.track(event("a", "m")) for _ in range(2)] == [False, True]
    for refused in (event("a", payload=1), event("")):
        with pytest.raises(grpc.RpcError):
            sender.track(refused)
    assert sender.accounted(4) == {"": Counts(skipped=1), "a": Counts(stored=1, duplicate=1, skipped=1)}


def test_only_the_hours_asked_for_and_only_of_the_tenant_are_told(
    settings: Settings, replicas: list[grpc.Channel]
) -> None:
    sender = Sender(settings, *replicas)
    sender.batch([event()])
    [hour] = (sender.accounted(1), sender.stats().hours)[1]
    begin = hour.hour.ToDatetime(UTC)
    assert (begin.minute, begin.second) == (0, 0)

    def received(since: datetime, to: datetime) -> float:
        return sender.stats(since.isoformat(), to.isoformat()).received

    assert received(begin, begin + timedelta(hours=1)) == 1
    assert received(begin + timedelta(minutes=59), begin + timedelta(minutes=59)) == 1
    assert received(begin - timedelta(hours=1), begin) == 0
    assert received(begin + timedelta(hours=1), begin + timedelta(hours=2)) == 0
    assert Sender(settings, *replicas).stats().received == 0


def test_a_viewer_may_read_them_and_wrong_times_are_refused(settings: Settings, replicas: list[grpc.Channel]) -> None:
    viewer = Sender(settings, *replicas, role="viewer")
    assert viewer.stats().received == 0
    with pytest.raises(grpc.RpcError) as raised:
        viewer.stats("soon", "later")
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
