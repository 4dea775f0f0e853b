"""Readers for single values; each returns the value or raises Wrong."""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from services.definition.problems import Wrong, kind, shown, wrong

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)

# JSON numbers travel as doubles: beyond it, two whole numbers may be one double.
LARGEST_NUMBER = 2**53 - 1
# A century: histories may be imported, and then lie far back.
LONGEST_WINDOW_DAYS = 36_500
LONGEST_EVENT_TYPE = 128
LONGEST_PROPERTY = 256
LONGEST_TEXT = 4096
LARGEST_ID = 2**31 - 1
FEWEST_STEPS, MOST_STEPS = 2, 10


def text(value: object) -> str:
    """Any text that can be written as UTF-8, up to 4,096 characters."""
    if not isinstance(value, str):
        raise wrong(f"must be text, not {kind(value)}")
    if len(value) > LONGEST_TEXT:
        raise wrong(f"must be at most {LONGEST_TEXT:,} characters long")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise wrong("must be valid Unicode text")
    return value


def event_type(value: object) -> str:
    """An event type: 1 to 128 characters, no control characters."""
    return _name(value, LONGEST_EVENT_TYPE)


def property_name(value: object) -> str:
    """A property: 1 to 256 characters, no control characters, no empty part between dots."""
    name = _name(value, LONGEST_PROPERTY)
    if "" in name.split("."):
        raise wrong("must have a name on each side of every dot")
    return name


def _name(value: object, longest: int) -> str:
    name = text(value)
    if not 1 <= len(name) <= longest:
        raise wrong(f"must be 1 to {longest} characters long")
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in name):
        raise wrong("must not contain control characters")
    return name


def number(value: object) -> int | float:
    """A finite number below 2**53 either way; whole floats become integers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(f"must be a number, not {kind(value)}")
    if not abs(value) <= LARGEST_NUMBER:  # NaN and infinities included
        raise wrong(f"must be within ±{LARGEST_NUMBER}, where numbers are exact; write a longer id as text")
    return int(value) if value == int(value) else value


def window_days(value: object) -> int:
    """A window: whole days, 1 to 36,500."""
    days = number(value)
    if not isinstance(days, int) or not 1 <= days <= LONGEST_WINDOW_DAYS:
        raise wrong(f"must be a whole number of days from 1 to {LONGEST_WINDOW_DAYS}")
    return days


def segment_id(value: object) -> int:
    """The id of a segment: a positive whole number of 32 bits."""
    identifier = number(value)
    if not isinstance(identifier, int) or not 1 <= identifier <= LARGEST_ID:
        raise wrong(f"must be the id of a segment: a whole number from 1 to {LARGEST_ID}")
    return identifier


def steps(value: object) -> tuple[str, ...]:
    """The steps of a sequence: 2 to 10 event types."""
    if not isinstance(value, list):
        raise wrong(f"must be a list, not {kind(value)}")
    if not FEWEST_STEPS <= len(value) <= MOST_STEPS:
        raise wrong(f"must have {FEWEST_STEPS} to {MOST_STEPS} event types, not {len(value):,}")
    return list_of(event_type, value)


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong(f"must be true or false, not {kind(value)}")
    return value


def one_of(choices: tuple[Choice, ...]) -> Callable[[object], Choice]:
    """A reader for exactly one of these texts."""

    def read(value: object) -> Choice:
        for choice in choices:
            if value == choice.value:
                return choice
        name = shown(value) if isinstance(value, str) else kind(value)
        raise wrong(f"{name} is not one of {', '.join(choices)}")

    return read


def list_of(read: Callable[[object], T], items: list[object]) -> tuple[T, ...]:
    """Every item as `read` returns it; raises Wrong with everything wrong in any of them, each with its index."""
    values: list[T] = []
    problems: list[tuple[str, str]] = []
    for index, item in enumerate(items):
        try:
            values.append(read(item))
        except Wrong as failure:
            problems.extend((f"[{index}]{place}", words) for place, words in failure.problems)
    if problems:
        raise Wrong(*problems)
    return tuple(values)
