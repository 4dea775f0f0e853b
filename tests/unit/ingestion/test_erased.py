"""Events of users who were erased are refused without a trace of who they are; others are taken as they are."""

import pytest

from services.ingestion.batches import Batch, parse_events
from services.ingestion.erased import ALWAYS, Erased
from services.ingestion.events import shown
from services.ingestion.times import utc_text
from services.kit.pseudonyms import Pseudonyms
from tests.unit.ingestion.test_events import NOW

TENANT = 7
PSEUDONYMS = Pseudonyms("key")


def erased(**until: str) -> Erased:
    """Users by name, with the time up to which they were erased."""
    names = {PSEUDONYMS.name(TENANT, user_id): time for user_id, time in until.items()}
    return Erased(tenant_id=TENANT, pseudonyms=PSEUDONYMS, until=names)


def batch(*events: str) -> Batch:
    return parse_events([event.encode() for event in events], NOW)


def event(user_id: str, occurred_at: str) -> str:
    return f'{{"user_id":"{user_id}","event_type":"bought","occurred_at":"{occurred_at}"}}'


@pytest.mark.parametrize(
    ("occurred_at", "taken"),
    [("2026-04-25T14:32:00Z", []), ("2026-04-25T14:32:00.001Z", ["ann"])],
)
def test_what_occurred_up_to_the_request_is_refused_and_what_occurs_later_is_taken(
    occurred_at: str, taken: list[str]
) -> None:
    found = erased(ann="2026-04-25 14:32:00.000").apply(batch(event("ann", occurred_at)))
    assert list(found.columns.user_ids) == taken
    assert [each.error.fields.keys() for each in found.refused] == [{"user_id"}] * (1 - len(taken))


def test_while_an_erasure_runs_everything_is_refused() -> None:
    found = erased(ann=ALWAYS).apply(batch(event("ann", "2026-04-26T14:00:00Z")))
    assert found.columns.user_ids == []


def test_others_keep_their_events_and_places() -> None:
    events = [event(user_id, "2026-04-25T14:32:00Z") for user_id in ("bob", "ann", "bob")]
    found = erased(ann=ALWAYS).apply(batch(*events))
    assert (found.columns.user_ids, found.places) == (["bob", "bob"], [0, 2])
    assert [each.place for each in found.refused] == [1]


def test_what_is_listed_does_not_name_them() -> None:
    wrong = '{"user_id":"ann","event_type":"bought","payload":1}'
    late = event("ann", "2026-04-25T14:32:00Z")
    other = '{"user_id":"bob","event_type":"bought","payload":1}'
    found = erased(ann=ALWAYS).apply(batch(wrong, late, other))
    assert [shown(each.text, "user_id", 256) for each in found.refused] == ["", "bob", ""]
    assert {shown(each.text, "event_type", 256) for each in found.refused} == {"bought"}


def test_another_tenants_user_of_the_same_name_is_another_one() -> None:
    name = PSEUDONYMS.name(TENANT + 1, "ann")
    found = Erased(tenant_id=TENANT, pseudonyms=PSEUDONYMS, until={name: ALWAYS})
    assert list(found.apply(batch(event("ann", utc_text(NOW)))).columns.user_ids) == ["ann"]
