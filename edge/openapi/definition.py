"""The segment language as JSON Schema, from the limits and operators its parser goes by."""

from typing import Any

from services.definition.attributes import CONTROL_CHARACTERS
from services.definition.comparisons import LONGEST_PATTERN, MOST_LIST_ENTRIES
from services.definition.model import Logic, Metric
from services.definition.operators import (
    FOR_AGGREGATE,
    FOR_COUNT,
    FOR_MEMBERSHIP,
    FOR_PROPERTY,
    FOR_RECENCY,
    LISTS,
    ORDERING,
    RANGES,
    SUBSTRINGS,
    WITHOUT_VALUE,
    Operator,
)
from services.definition.parser import DEEPEST_GROUP, MOST_CONDITIONS
from services.definition.times import RFC3339
from services.definition.values import (
    FEWEST_STEPS,
    LARGEST_ID,
    LARGEST_NUMBER,
    LONGEST_EVENT_TYPE,
    LONGEST_PROPERTY,
    LONGEST_TEXT,
    LONGEST_WINDOW_DAYS,
    MOST_STEPS,
)

Json = dict[str, Any]

_PRINTABLE = f"[^{CONTROL_CHARACTERS}]"
_PART = _PRINTABLE.replace("[^", "[^.")

TEXT: Json = {"type": "string", "maxLength": LONGEST_TEXT}
NUMBER: Json = {"type": "number", "minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER}
TIME: Json = {"type": "string", "format": "date-time", "pattern": RFC3339, "examples": ["2026-04-25T14:32:00Z"]}
SCALAR: Json = {"anyOf": [TEXT, NUMBER, {"type": "boolean"}]}
ORDERED: Json = {"anyOf": [NUMBER, TIME]}
EVENT_TYPE: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_EVENT_TYPE,
    "pattern": f"^{_PRINTABLE}*$",
    "examples": ["order_placed"],
}
PROPERTY: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_PROPERTY,
    "pattern": f"^{_PART}+(\\.{_PART}+)*$",
    "description": "A dot walks into nested objects.",
    "examples": ["total"],
}
WINDOW: Json = {
    "type": "integer",
    "minimum": 1,
    "maximum": LONGEST_WINDOW_DAYS,
    "description": "Days of 24 hours back from now.",
    "examples": [30],
}
WINDOW_OR_NONE: Json = WINDOW | {"type": ["integer", "null"]}


def _condition(name: str, description: str, fields: Json, optional: tuple[str, ...] = (), **more: Any) -> Json:
    properties = {"type": {"type": "string", "const": name}, **fields}
    return {
        "type": "object",
        "title": name,
        "description": description,
        "additionalProperties": False,
        "properties": properties,
        "required": [key for key in properties if key not in optional],
        **more,
    }


def _one_of(operators: tuple[Operator, ...]) -> Json:
    return {"type": "string", "enum": [str(operator) for operator in operators]}


def _pair(element: Json) -> Json:
    return {"type": "array", "minItems": 2, "maxItems": 2, "items": element}


def _where(operators: set[Operator], value: Json | None, value2: Json | None = None) -> Json:
    """One alternative: the values that some operators take."""
    names = [str(operator) for operator in Operator if operator in operators]
    needed = [name for name, schema in (("value", value), ("value2", value2)) if schema]
    return {
        "properties": {
            "operator": {"enum": names},
            "value": value or {"type": "null"},
            "value2": value2 or {"type": "null"},
        },
        **({"required": needed} if needed else {}),
    }


def _ranges(elements: list[Json]) -> list[Json]:
    """`value: [low, high]`, or low and high in `value` and `value2`; both of the same kind."""
    pairs: Json = {"anyOf": [_pair(element) for element in elements]}
    return [_where(set(RANGES), pairs), *(_where(set(RANGES), element, element) for element in elements)]


VALUES: Json = {
    "value": {"description": "What it is compared with, by operator."},
    "value2": {"description": "The high end of a range, when `value` is the low one."},
}
_EQUALITY = {Operator.EQ, Operator.NEQ}
OF_PROPERTIES = [
    _where(_EQUALITY, SCALAR),
    _where(set(ORDERING), ORDERED),
    *_ranges([NUMBER, TIME]),
    _where(set(LISTS), {"type": "array", "minItems": 1, "maxItems": MOST_LIST_ENTRIES, "items": SCALAR}),
    _where(set(SUBSTRINGS), {"anyOf": [TEXT, NUMBER]}),
    _where(
        {Operator.MATCHES_REGEX}, {"type": "string", "maxLength": LONGEST_PATTERN, "description": "RE2, unanchored."}
    ),
    _where(set(WITHOUT_VALUE), None),
]
OF_AGGREGATES = [_where(set(FOR_COUNT), NUMBER), *_ranges([NUMBER])]
OPTIONAL_VALUES = ("value", "value2")

CONDITIONS: dict[str, Json] = {
    "EventCount": _condition(
        "event_count",
        "The number of the user's events of a type, in the window if there is one. Users who never did it have 0.",
        {"event_type": EVENT_TYPE, "operator": _one_of(FOR_COUNT), "value": NUMBER, "window_days": WINDOW_OR_NONE},
        ("window_days",),
    ),
    "Recency": _condition(
        "recency",
        "The time since the user's last event of a type: more or less than so many days, or so many whole days.",
        {"event_type": EVENT_TYPE, "operator": _one_of(FOR_RECENCY), "window_days": WINDOW},
    ),
    "Monetary": _condition(
        "monetary",
        "An aggregate of the numbers in a property of the user's events of a type. Without a number there is no match.",
        {
            "event_type": EVENT_TYPE,
            "property": PROPERTY,
            "metric": {"type": "string", "enum": [str(metric) for metric in Metric]},
            "operator": _one_of(FOR_AGGREGATE),
            **VALUES,
            "window_days": WINDOW_OR_NONE,
        },
        (*OPTIONAL_VALUES, "window_days"),
        anyOf=OF_AGGREGATES,
    ),
    "EventProperty": _condition(
        "event_property",
        "A property of the user's latest event of a type. Who never did it does not match.",
        {"event_type": EVENT_TYPE, "property": PROPERTY, "operator": _one_of(FOR_PROPERTY), **VALUES},
        OPTIONAL_VALUES,
        anyOf=OF_PROPERTIES,
    ),
    "UserProperty": _condition(
        "user_property",
        "A property of the user, of the latest `context_identified`.",
        {"property": PROPERTY, "operator": _one_of(FOR_PROPERTY), **VALUES},
        OPTIONAL_VALUES,
        anyOf=OF_PROPERTIES,
    ),
    "EventSequence": _condition(
        "event_sequence",
        "The steps in this order, each later than the one before, the last within the window from the first. `strict`: "
        "nothing else in between.",
        {
            "events": {"type": "array", "minItems": FEWEST_STEPS, "maxItems": MOST_STEPS, "items": EVENT_TYPE},
            "window_days": WINDOW,
            "strict": {"type": ["boolean", "null"]},
        },
        ("strict",),
    ),
    "SegmentMembership": _condition(
        "segment_membership",
        "Whether the user is in another segment, by its stored membership. A cycle is refused.",
        {
            "segment_id": {"type": "integer", "minimum": 1, "maximum": LARGEST_ID},
            "operator": _one_of(FOR_MEMBERSHIP),
        },
    ),
}


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


EXAMPLE: Json = {
    "logic": "AND",
    "conditions": [
        {"type": "event_count", "event_type": "order_placed", "operator": "gte", "value": 2, "window_days": 30},
        {"type": "user_property", "property": "country", "operator": "in", "value": ["DE", "AT"]},
    ],
}

DEFINITION: dict[str, Json] = {
    "Definition": {
        "type": "object",
        "description": f"Whom a segment holds: 1 to {MOST_CONDITIONS} conditions in all, in groups up to "
        f"{DEEPEST_GROUP} deep.",
        "additionalProperties": False,
        "properties": {
            "logic": {"type": "string", "enum": [str(logic) for logic in Logic]},
            "conditions": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_CONDITIONS,
                "items": {"oneOf": [_reference("Condition"), _reference("Definition")]},
            },
        },
        "required": ["logic", "conditions"],
        "examples": [EXAMPLE],
    },
    "Condition": {
        "oneOf": [_reference(name) for name in CONDITIONS],
        "discriminator": {
            "propertyName": "type",
            "mapping": {schema["title"]: f"#/components/schemas/{name}" for name, schema in CONDITIONS.items()},
        },
    },
    **CONDITIONS,
}
