"""Which column of a table is which part of an event.

FIELD=COLUMN takes a column and FIELD==TEXT the same text for all rows. A field is a key of an event or `payload.` and
the path of a property; `payload.*=*` makes a property of each column that is not mapped otherwise. After a colon
follows what the text is: `number`, `boolean` or `json` of a property, and for occurred_at `unix`, `unix_ms` (seconds
and milliseconds since 1970) or a format of strptime such as `%d.%m.%Y %H:%M`, in UTC where it names no offset.
Without it a property is text and a time RFC 3339. Columns that are called like a field need no mapping; an empty cell
leaves its field out.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from cli.events.records import Wrong, set_time
from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb

TEXT_FIELDS = ("user_id", "event_type", "anonymous_id", "message_id")
REQUIRED = ("user_id", "event_type")
TIME, PAYLOAD = "occurred_at", "payload"
EVERY_OTHER = ("payload.*", "*")

_RULE = re.compile(r"([^=]+)=(=?)(.*?)(?::(number|boolean|json|unix|unix_ms|%.*))?", re.DOTALL)
_WHOLE = re.compile(r"[+-]?[0-9]{1,300}")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One mapping: a field is a column, or, when that is None, a constant text, read as `kind`."""

    field: str
    column: str | None
    constant: str = ""
    kind: str = ""


def parse_rule(text: str) -> Rule:
    """A mapping as it is written. Raises ValueError."""
    match = _RULE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is neither FIELD=COLUMN nor FIELD==TEXT")
    field, constant, source, kind = match[1], match[2], match[3], match[4] or ""
    if field not in (*TEXT_FIELDS, TIME, PAYLOAD) and not _is_property(field):
        raise ValueError(f"{field!r} is none of {', '.join((*TEXT_FIELDS, TIME))}, payload.NAME")
    if (field == EVERY_OTHER[0] or source == EVERY_OTHER[1]) and (field, constant + source) != EVERY_OTHER:
        raise ValueError(f"{text!r}: only {'='.join(EVERY_OTHER)} takes every other column")
    if kind and not _suits(field, kind):
        raise ValueError(f"{kind!r} is no kind of {field}")
    return Rule(field=field, column=None if constant else source, constant=source if constant else "", kind=kind)


def _is_property(field: str) -> bool:
    first, *path = field.split(".")
    return first == PAYLOAD and bool(path) and all(path)


def _suits(field: str, kind: str) -> bool:
    if field == TIME:
        return kind in ("unix", "unix_ms") or kind.startswith("%")
    return _is_property(field) and kind in ("number", "boolean", "json")


class Table:
    """The rules as they apply to the columns of one table."""

    def __init__(self, rules: Sequence[Rule], columns: Sequence[str]) -> None:
        """Raises ValueError with all that does not fit."""
        self._columns = columns
        named = {rule.field for rule in rules}
        self._rules = [rule for rule in rules if rule.field != EVERY_OTHER[0]] + [
            Rule(field=column, column=column)
            for column in dict.fromkeys(columns)
            if column not in named and (column in (*TEXT_FIELDS, TIME, PAYLOAD) or _is_property(column))
        ]
        used = {rule.column for rule in self._rules}
        # Columns that nothing is made of.
        self.left_out = [column for column in columns if column not in used]
        if EVERY_OTHER[0] in named:
            self._rules += [Rule(field=f"payload.{column}", column=column) for column in self.left_out if column]
            self.left_out = []
        self._places = {column: place for place, column in reversed(list(enumerate(columns)))}
        self._check()

    def event(self, cells: Sequence[str]) -> pb.Event:
        """The event in a row. Raises Wrong."""
        if len(cells) != len(self._columns):
            raise Wrong("Must have as many columns as the header.")
        event = pb.Event()
        payload: dict[str, Any] = {}
        for rule in self._rules:
            text = rule.constant if rule.column is None else cells[self._places[rule.column]]
            if not text:
                continue
            if rule.field in TEXT_FIELDS:
                setattr(event, rule.field, text)
            elif rule.field == TIME:
                set_time(event, _moment(text, rule.kind))
            elif rule.field == PAYLOAD:
                payload.update(_object(text))
            else:
                _put(payload, rule.field.split(".")[1:], _value(text, rule))
        if payload:
            event.payload_json = msgspec.json.encode(payload).decode()
        return event

    def _check(self) -> None:
        columns = ", ".join(repr(column) for column in self._columns)
        fields = [rule.field for rule in self._rules]
        problems = [
            f"{rule.field}: there is no column {rule.column!r} among {columns}"
            for rule in self._rules
            if rule.column is not None and rule.column not in self._places
        ]
        problems += [
            f"{field}: no column is mapped to it (columns: {columns})" for field in REQUIRED if field not in fields
        ]
        problems += [f"{field}: is mapped twice" for field in dict.fromkeys(fields) if fields.count(field) > 1]
        if problems:
            raise ValueError("\n".join(problems))


def _moment(text: str, kind: str) -> datetime:
    try:
        if kind.startswith("unix"):
            return datetime.fromtimestamp(float(text) / (1000 if kind == "unix_ms" else 1), UTC)
        return datetime.strptime(text, kind) if kind else msgspec.convert(text, datetime)  # noqa: DTZ007 - UTC then
    except (ValueError, OverflowError, OSError) as error:
        raise Wrong(f"occurred_at: Must be {_TIMES.get(kind, f'a time like {kind}')}.") from error


_TIMES = {
    "": "an RFC 3339 time, such as 2026-04-25T14:32:00Z",
    "unix": "the seconds since 1970",
    "unix_ms": "the milliseconds since 1970",
}


def _value(text: str, rule: Rule) -> object:
    read, expected = _KINDS[rule.kind]
    try:
        return read(text)
    except (ValueError, KeyError, RecursionError) as error:
        raise Wrong(f"{rule.field}: Must be {expected}.") from error


def _number(text: str) -> float:
    text = text.strip()
    number = int(text) if _WHOLE.fullmatch(text) else float(text)
    if "_" in text or not math.isfinite(number):
        raise ValueError
    return number


_KINDS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "": (str, "text"),
    "number": (_number, "a number"),
    "boolean": (lambda text: _BOOLEANS[text.strip().lower()], "true or false"),
    "json": (msgspec.json.decode, "JSON"),
}


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise Wrong("payload: Must be a JSON object.") from error


def _put(payload: dict[str, Any], path: Sequence[str], value: object) -> None:
    for name in path[:-1]:
        payload = payload.setdefault(name, {})
        if not isinstance(payload, dict):
            raise Wrong(f"payload.{'.'.join(path)}: Lies in a property that is no object.")
    payload[path[-1]] = value
