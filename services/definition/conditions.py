"""Reading each type of condition. A new type is its dataclass, a reader here and a line in `READERS`."""

from collections.abc import Callable

from services.definition.comparisons import comparison, numeric_comparison
from services.definition.fields import Fields
from services.definition.model import (
    Condition,
    EventCount,
    EventProperty,
    EventSequence,
    Metric,
    Monetary,
    Recency,
    SegmentMembership,
    UserProperty,
)
from services.definition.operators import FOR_AGGREGATE, FOR_COUNT, FOR_MEMBERSHIP, FOR_PROPERTY, FOR_RECENCY
from services.definition.values import (
    event_type,
    flag,
    number,
    one_of,
    property_name,
    segment_id,
    steps,
    window_days,
)


def _event_count(fields: Fields) -> EventCount:
    return EventCount(
        event_type=fields.required("event_type", event_type),
        operator=fields.required("operator", one_of(FOR_COUNT)),
        value=fields.required("value", number),
        window_days=fields.optional("window_days", window_days),
    )


def _recency(fields: Fields) -> Recency:
    return Recency(
        event_type=fields.required("event_type", event_type),
        operator=fields.required("operator", one_of(FOR_RECENCY)),
        window_days=fields.required("window_days", window_days),
    )


def _monetary(fields: Fields) -> Monetary:
    operator, limits = numeric_comparison(fields, FOR_AGGREGATE)
    return Monetary(
        event_type=fields.required("event_type", event_type),
        property=fields.required("property", property_name),
        metric=fields.required("metric", one_of(tuple(Metric))),
        operator=operator,
        limits=limits,
        window_days=fields.optional("window_days", window_days),
    )


def _event_property(fields: Fields) -> EventProperty:
    return EventProperty(
        event_type=fields.required("event_type", event_type),
        property=fields.required("property", property_name),
        comparison=comparison(fields, FOR_PROPERTY),
    )


def _user_property(fields: Fields) -> UserProperty:
    return UserProperty(
        property=fields.required("property", property_name),
        comparison=comparison(fields, FOR_PROPERTY),
    )


def _event_sequence(fields: Fields) -> EventSequence:
    return EventSequence(
        events=fields.required("events", steps),
        window_days=fields.required("window_days", window_days),
        strict=fields.optional("strict", flag) or False,
    )


def _segment_membership(fields: Fields) -> SegmentMembership:
    return SegmentMembership(
        segment_id=fields.required("segment_id", segment_id),
        operator=fields.required("operator", one_of(FOR_MEMBERSHIP)),
    )


READERS: dict[str, Callable[[Fields], Condition]] = {
    "event_count": _event_count,
    "recency": _recency,
    "monetary": _monetary,
    "event_property": _event_property,
    "user_property": _user_property,
    "event_sequence": _event_sequence,
    "segment_membership": _segment_membership,
}
