"""What callers are told when the engine refuses a query."""

from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import ClickHouseError, Error, OperationalError

from services.kit.errors import Invalid, Unavailable

# Numbers of src/Common/ErrorCodes.cpp in ClickHouse.
TIMEOUT_EXCEEDED, TOO_SLOW, MEMORY_LIMIT_EXCEEDED, QUERY_WAS_CANCELLED = 159, 160, 241, 394

# What the parsers of text, numbers, times and UUIDs raise, and a row that breaks a rule of its table.
_UNREADABLE = frozenset({6, 25, 26, 27, 32, 33, 38, 41, 53, 69, 72, 117, 376, 407, 467, 469})


class TooCostly(Invalid):
    """The query needs more memory than the warehouse allows. Narrow it, for example with window_days."""

    def __init__(self) -> None:
        super().__init__(detail=(type(self).__doc__ or ""))


class TooSlow(Unavailable):
    """The warehouse did not finish the query in time."""


def code_of(error: ClickHouseError) -> int | None:
    """The engine's number of an error, if the engine raised it."""
    return error.code if isinstance(error, Error) else None


def is_unreadable(error: ClickHouseError) -> bool:
    """Whether rows that were inserted cannot be read.

    The engine shows a piece of them, perhaps cut inside a character; then its message itself cannot be read. Python
    says so, or up to 3.11.2 leaves it empty.
    """
    cause = error.__cause__
    return (
        code_of(error) in _UNREADABLE or isinstance(cause, UnicodeDecodeError) or (cause is not None and not str(cause))
    )


@contextmanager
def told_to_callers() -> Iterator[None]:
    """Turns an exceeded limit, and an engine that is away, into failures. Anything else is a bug and comes through."""
    try:
        yield
    except ClickHouseError as error:
        code = code_of(error)
        if code == MEMORY_LIMIT_EXCEEDED:
            # Only the engine's message tells its own limit from that of the query.
            raise (Unavailable if "(total)" in str(error) else TooCostly) from error
        if code in (TIMEOUT_EXCEEDED, TOO_SLOW):
            raise TooSlow from error
        if code == QUERY_WAS_CANCELLED or (code is None and isinstance(error, OperationalError)):
            raise Unavailable from error
        raise
