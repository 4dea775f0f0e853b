"""Generated histories: few users and types, times that tie or lie on the edge of a window."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from tests.oracle.history import Event

NOW = datetime(2026, 3, 1, 12, 30, 15, 123_000, tzinfo=UTC)
DAYS = (1, 2, 7, 30)
USERS = ("ann", "bo b", "it's", "ünï/x@y", "😀{x:String}", "\\N", "-- ;")
TYPES = ("order", "visit's", "context_identified")


def _payloads(values: list[object]) -> st.SearchStrategy[dict[str, object]]:
    value = st.sampled_from(values)
    inner = st.fixed_dictionaries({}, optional={"b": st.one_of(value, st.fixed_dictionaries({"c": value}))})
    others = {"a": st.one_of(value, inner), "a.b": st.just("unreachable"), "q'\\": value, "0": value}
    return st.fixed_dictionaries({"p": value}, optional=others)


OFFSETS = st.one_of(
    st.builds(
        lambda days, milliseconds: timedelta(days=-days, milliseconds=milliseconds),
        st.sampled_from((0, *DAYS, 8, 31)),
        st.sampled_from((-1, 0, 0, 1)),
    ),
    st.integers(-40 * 24 * 60, 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
)


def _unique_id(index: int, random: int) -> UUID:
    """An id that is unique in the bits that decide between events equal in both times, in any order."""
    return UUID(int=(random << 16 | index) << 64, version=4)


@st.composite
def histories(draw: st.DrawFn, values: list[object]) -> list[Event]:
    """Up to sixteen events of up to three users, with properties from `values`."""
    users = draw(st.lists(st.sampled_from(USERS), min_size=1, max_size=3, unique=True))
    edges = draw(st.lists(OFFSETS, min_size=1, max_size=4))
    payloads = _payloads(values)
    events = []
    for index in range(draw(st.integers(0, 16))):
        event_type = draw(st.sampled_from(TYPES))
        occurred_at = NOW + draw(st.sampled_from(edges))
        # Which of two property sets wins that are equal in both times is open: so they differ in one here.
        late = index if event_type == "context_identified" else draw(st.sampled_from((0, 0, 1, 5_000)))
        events.append(
            Event(
                user_id=draw(st.sampled_from(users)),
                event_type=event_type,
                occurred_at=occurred_at,
                received_at=occurred_at + timedelta(milliseconds=late),
                event_id=_unique_id(index, draw(st.integers(0, 2**16 - 1))),
                payload=draw(payloads),
            )
        )
    return events
