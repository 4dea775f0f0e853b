"""Generated histories: few types, times that tie or lie on the edge of a window, values that come up again."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from hypothesis import strategies as st

from tests.oracle.history import Event

NOW = datetime(2026, 3, 1, 12, 30, 15, 123_000, tzinfo=UTC)
DAYS = (1, 2, 7, 30)
IDS = ("it's", "ünï/x@y", "😀{x:String}", "\\N", "-- ;", "a\\'b")
TYPES = ("order", "visit's", "context_identified")


def _moment(random: Random) -> datetime:
    """Mostly within a millisecond of the edge of a window, else in the last 40 days or the next one."""
    if random.random() < 0.7:
        return NOW + timedelta(days=-random.choice((0, *DAYS, 8, 31)), milliseconds=random.choice((-1, 0, 0, 1)))
    return NOW + timedelta(minutes=random.randint(-40 * 24 * 60, 24 * 60))


def _payload(random: Random, values: list[object]) -> dict[str, object]:
    payload: dict[str, object] = {"a.b": "unreachable"}
    for name in ("p", "p", "q'\\", "0"):
        if random.random() < 0.6:
            payload[name] = random.choice(values)
    if random.random() < 0.6:
        value = random.choice(values)
        payload["a"] = random.choice((value, {"b": value}, {"b": {"c": value}}, {}))
    return payload


def _events_of(user_id: str, place: int, random: Random, values: list[object]) -> list[Event]:
    moments = [_moment(random) for _ in range(3)]
    events = []
    for index in range(random.randint(1, 7)):
        event_type = random.choice(TYPES)
        occurred_at = random.choice(moments)
        # Which of two property sets wins that are equal in both times is open: so they differ in one here. Users may be
        # linked.
        late = index + 10 * place if event_type == "context_identified" else random.choice((0, 0, 1, 5_000))
        events.append(
            Event(
                user_id=user_id,
                event_type=event_type,
                occurred_at=occurred_at,
                received_at=occurred_at + timedelta(milliseconds=late),
                event_id=UUID(int=random.getrandbits(128), version=4),
                payload=_payload(random, values),
            )
        )
    return events


def _history(users: int, seed: int, values: list[object]) -> list[Event]:
    """The events of each user depend on the seed and the user alone: fewer users leave the others as they were."""
    ids = [IDS[user] if user < len(IDS) else f"user {user}" for user in range(users)]
    return [
        event
        for place, user_id in enumerate(ids)
        for event in _events_of(user_id, place, Random(f"{seed} {user_id}"), values)
    ]


def histories(values: list[object]) -> st.SearchStrategy[list[Event]]:
    """Up to 30 users with up to seven events each, with properties from `values`."""
    return st.builds(_history, users=st.integers(0, 30), seed=st.integers(0, 2**32 - 1), values=st.just(values))


def paths(users: int, seed: int) -> list[Event]:
    """Users who did up to nine things, most of them half days apart to the millisecond, some at once."""
    random = Random(seed)
    return [
        Event(
            user_id=f"user {user}",
            event_type=random.choice(TYPES),
            occurred_at=NOW - timedelta(hours=12 * random.randint(0, 10), milliseconds=random.choice((0, 0, 0, 0, 1))),
            received_at=NOW,
            event_id=UUID(int=random.getrandbits(128), version=4),
            payload={},
        )
        for user in range(users)
        for _ in range(random.randint(1, 9))
    ]
