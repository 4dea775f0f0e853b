"""A sender is told what was known already; whatever it was told, an event is stored once."""

from concurrent.futures import ThreadPoolExecutor

import grpc

from services.kit.settings import Settings
from tests.integration.ingestion.accounting import Counts, Sender, event
from tests.running import wait_for

EVENTS = [event("t", f"m{number}") for number in range(500)]


def test_what_came_before_is_told_also_within_one_batch(settings: Settings, replicas: list[grpc.Channel]) -> None:
    sender = Sender(settings, *replicas)
    assert sender.batch([event("t", "1"), event("t", "2"), event("t", "1"), event(), event()]) == Counts(
        stored=4, duplicate=1
    )
    assert sender.batch([event("t", "2"), event("t", "3")]) == Counts(stored=1, duplicate=1)
    assert sender.track(event("t", "3"))
    assert not sender.track(event("t", "4"))


def test_what_another_replica_took_is_told_as_soon_as_it_is_loaded(
    settings: Settings, replicas: list[grpc.Channel]
) -> None:
    sender = Sender(settings, *replicas)
    assert sender.batch(EVENTS, replica=0) == Counts(stored=500)
    sender.accounted(500)
    assert wait_for(lambda: sender.batch(EVENTS, replica=1) == Counts(duplicate=500))


def test_the_same_message_id_of_another_tenant_is_new(settings: Settings, replicas: list[grpc.Channel]) -> None:
    assert [Sender(settings, *replicas).batch([event("t", "m")]) for _ in range(2)] == [Counts(stored=1)] * 2


def test_copies_of_one_batch_that_are_sent_to_both_replicas_at_once_are_stored_once(
    settings: Settings, replicas: list[grpc.Channel]
) -> None:
    sender = Sender(settings, *replicas)
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda copy: sender.batch(EVENTS, replica=copy % 2), range(6)))
    assert all(answer.stored + answer.duplicate == 500 for answer in answers)
    assert sender.accounted(6 * 500) == {"t": Counts(stored=500, duplicate=5 * 500)}
