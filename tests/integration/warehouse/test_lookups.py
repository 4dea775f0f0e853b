"""Searching users and reading profiles and events, compared with plain Python over the same events."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

import grpc
import pytest

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.wire import timestamp
from tests.integration.warehouse.processes import Metadata, Warehouse
from tests.integration.warehouse.rows import RECEIVED_AT, Event, payload, rows

HOSTILE_IDS = (
    "a'b", "a\\b", 'a"b', "a%sb", "a%(x)sb", "{tenant:UInt32}", "\\N", "\\", "\\n", "'; DROP TABLE events; --", "/*",
    "--",
    " ", " a ", "é", "e\u0301", "日本語", "🙂", "a\u2028b", "[", "]", "[]", "NULL", "null", "''", "A", "a", "ab", "Ab",
    "ba", "aa", "a@b.c", "a/b", "a?b=c&d", "%", "_", "a_b", "x" * 256, "0", "-1", "1e3", "{}", "{{}}", "$1", "`",
)  # fmt: skip
TYPES = ("page_viewed", "order placed", "it's", "\\t", "{type:String}", "context_identified")


@dataclass(frozen=True)
class Loaded:
    """A warehouse that has these events under the tenant, and others with the same ids under another tenant."""

    warehouse: Warehouse
    metadata: Metadata
    events: list[Event]

    def of(self, user_id: str) -> list[Event]:
        """A user's events, newest first."""
        mine = [event for event in self.events if event.user_id == user_id]
        return sorted(mine, key=lambda event: (event.occurred_at, event.received_at, event.event_id.int), reverse=True)


def history(seed: int, count: int) -> list[Event]:
    """Random events of the hostile users, with many equal times."""
    chance = random.Random(seed)
    return [
        Event(
            user_id=chance.choice(HOSTILE_IDS),
            event_type=chance.choice(TYPES),
            occurred_at=RECEIVED_AT - timedelta(milliseconds=chance.choice((0, 1, 1000, 60_000, 86_400_000))),
            received_at=RECEIVED_AT + timedelta(milliseconds=chance.randrange(3)),
            payload=payload(text=chance.choice(HOSTILE_IDS), number=chance.random(), list=[None, True, {}]),
        )
        for _ in range(count)
    ]


@pytest.fixture
async def loaded(warehouse: Warehouse, tenant: int, other_tenant: int) -> Loaded:
    """2,000 events in four messages, and as many of another tenant in between."""
    events = history(tenant, 2000)
    sequence = 0
    for part in range(4):
        await warehouse.log.append(other_tenant, rows(other_tenant, *history(other_tenant + part, 500)))
        sequence = await warehouse.log.append(tenant, rows(tenant, *events[part::4]))
    await warehouse.loaded(sequence)
    return Loaded(warehouse, warehouse.metadata(tenant), events)


def expected_search(events: list[Event], text: str) -> list[str]:
    """The user ids that contain a text, in the order of the answer."""
    ids = {event.user_id for event in events if text in event.user_id}
    return sorted(ids, key=lambda user_id: (not user_id.startswith(text), user_id.encode()))


async def test_search_finds_exactly_the_ids_that_contain_the_text_prefixes_first(loaded: Loaded) -> None:
    for text in ("", "a", "b", "'", "\\", "%", "_", "x", "é", "[", "--", "{", " ", "A", "not there", *HOSTILE_IDS):
        request = pb.SearchUsersRequest(query=text, limit=200)
        found = await loaded.warehouse.stub.SearchUsers(request, metadata=loaded.metadata)
        assert [user.user_id for user in found.users] == expected_search(loaded.events, text), text
        assert found.count == len(found.users)
        for user in found.users:
            times = [event.occurred_at for event in loaded.of(user.user_id)]
            assert user.event_count == len(times)
            assert (user.first_seen, user.last_seen) == (timestamp(min(times)), timestamp(max(times)))


async def test_pages_of_a_search_join_to_the_whole(loaded: Loaded) -> None:
    whole = expected_search(loaded.events, "a")
    found = []
    for offset in range(0, len(whole) + 3, 3):
        request = pb.SearchUsersRequest(query="a", limit=3, offset=offset)
        page = await loaded.warehouse.stub.SearchUsers(request, metadata=loaded.metadata)
        assert page.count == len(whole)
        found += [user.user_id for user in page.users]
    assert found == whole


async def test_a_profile_has_the_totals_and_the_newest_properties(loaded: Loaded) -> None:
    for user_id in {event.user_id for event in loaded.events}:
        events = loaded.of(user_id)
        user = await loaded.warehouse.stub.GetUser(pb.GetUserRequest(user_ids=[user_id]), metadata=loaded.metadata)
        assert user.event_count == len(events)
        assert user.event_type_count == len({event.event_type for event in events})
        assert user.first_seen == timestamp(events[-1].occurred_at)
        assert user.last_seen == timestamp(events[0].occurred_at)
        identified = [event for event in events if event.event_type == "context_identified"]
        times = [(event.occurred_at, event.received_at) for event in identified]
        # Equal in both times, either may be the current one.
        newest = {event.payload for event, time in zip(identified, times, strict=True) if time == times[0]}
        assert user.properties in (newest or {"{}"})


async def test_a_user_of_another_tenant_is_not_found(warehouse: Warehouse, loaded: Loaded, tenant: int) -> None:
    elsewhere = warehouse.metadata(tenant - 1_000_000)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await warehouse.stub.GetUser(pb.GetUserRequest(user_ids=["a"]), metadata=elsewhere)
    assert failure.value.code() == grpc.StatusCode.NOT_FOUND
    assert (await warehouse.stub.SearchUsers(pb.SearchUsersRequest(limit=10), metadata=elsewhere)).count == 0
    request = pb.ListUserEventsRequest(user_ids=["a"], limit=10)
    assert (await warehouse.stub.ListUserEvents(request, metadata=elsewhere)).count == 0


async def test_events_come_newest_first_with_everything_they_had(loaded: Loaded) -> None:
    for user_id in ("a'b", "\\", "🙂", "{tenant:UInt32}"):
        request = pb.ListUserEventsRequest(user_ids=[user_id], limit=1000)
        answer = await loaded.warehouse.stub.ListUserEvents(request, metadata=loaded.metadata)
        assert list(answer.events) == [
            pb.UserEvent(
                user_id=user_id,
                event_id=str(event.event_id),
                event_type=event.event_type,
                occurred_at=timestamp(event.occurred_at),
                received_at=timestamp(event.received_at),
                payload=event.payload,
            )
            for event in loaded.of(user_id)
        ]
        assert answer.count == len(answer.events)


SPANS: tuple[tuple[datetime | None, datetime | None], ...] = (
    (None, None),
    (RECEIVED_AT - timedelta(seconds=60), None),
    (None, RECEIVED_AT),
    (RECEIVED_AT - timedelta(milliseconds=1), RECEIVED_AT),
    (RECEIVED_AT - timedelta(microseconds=1), RECEIVED_AT + timedelta(microseconds=1)),
    (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)),
    (RECEIVED_AT, RECEIVED_AT - timedelta(days=1)),
)


async def test_filters_and_pages_of_events_are_exact(loaded: Loaded) -> None:
    for event_type, (since, until) in product(("", *TYPES, "never"), SPANS):
        chosen = [
            str(event.event_id)
            for event in loaded.of("a")
            if (not event_type or event.event_type == event_type)
            and (since is None or event.occurred_at >= since)
            and (until is None or event.occurred_at < until)
        ]
        found = []
        for offset in range(0, len(chosen) + 20, 20):
            request = pb.ListUserEventsRequest(user_ids=["a"], event_type=event_type, limit=20, offset=offset)
            if since is not None:
                request.since.FromDatetime(since)
            if until is not None:
                request.until.FromDatetime(until)
            page = await loaded.warehouse.stub.ListUserEvents(request, metadata=loaded.metadata)
            assert page.count == len(chosen)
            found += [event.event_id for event in page.events]
        assert found == chosen, (event_type, since, until)
