"""What callers are told when the engine refuses a query."""

from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import ClickHouseError, Error, OperationalError

from services.kit.errors import Invalid, Unavailable

# Numbers of src/Common/ErrorCodes.cpp in ClickHouse.
TIMEOUT_EXCEEDED, TOO_SLOW, MEMORY_LIMIT_EXCEEDED, NOT_ENOUGH_SPACE, QUERY_WAS_CANCELLED = 159, 160, 241, 243, 394

# A part of a table is not as it was written; and a table that is being loaded anew, or could not be.
ATTEMPT_TO_READ_AFTER_EOF, CANNOT_READ_ALL_DATA, CORRUPTED_DATA, UNKNOWN_TABLE = 32, 33, 246, 60

# What a server says that is overloaded, is cut off from others or from Keeper, or does not let us in. What was inserted
# is in doubt then, and is inserted again under its token.
AWAY = frozenset({192, 193, 194, 202, 203, 209, 210, 225, 236, 242, 252, 265, 279, 285, 286, 319, 341, 516, 519, 999})

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


FAILURES = ("too_slow", "broken", "memory", "disk_full", "other")


def kind_of(error: ClickHouseError) -> str:
    """Which of the failures an error is."""
    code = code_of(error)
    if code in (TIMEOUT_EXCEEDED, TOO_SLOW):
        return "too_slow"
    if is_broken(error):
        return "broken"
    return {MEMORY_LIMIT_EXCEEDED: "memory", NOT_ENOUGH_SPACE: "disk_full"}.get(code or 0, "other")


def is_unreadable(error: ClickHouseError) -> bool:
    """Whether rows that were inserted cannot be read.

    The engine shows a piece of them, perhaps cut inside a character; then its message itself cannot be read. Python
    says so, or up to 3.11.2 leaves it empty.
    """
    cause = error.__cause__
    return not is_broken(error) and (
        code_of(error) in _UNREADABLE or isinstance(cause, UnicodeDecodeError) or (cause is not None and not str(cause))
    )


def is_broken(error: ClickHouseError) -> bool:
    """Whether a query failed for what is stored: a part that cannot be read, or a table that is not loaded."""
    code = code_of(error)
    if code not in (ATTEMPT_TO_READ_AFTER_EOF, CANNOT_READ_ALL_DATA):
        return code in (CORRUPTED_DATA, UNKNOWN_TABLE)
    # The last step the engine names is its own word; before it there may be a piece of the rows.
    _, executing, step = str(error).rpartition("While executing ")
    if executing:
        return "MergeTree" in step
    # Before the first step only a part's statistics are read, and a parser names the row.
    return code == CANNOT_READ_ALL_DATA and "(at row" not in str(error)


def _is_transport(error: ClickHouseError) -> bool:
    return isinstance(error, OperationalError) or str(error).startswith("HTTP driver received HTTP status 5")


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
        # Without a code it is the connection's, or of a proxy before the server.
        if is_broken(error) or code == QUERY_WAS_CANCELLED or code in AWAY or (code is None and _is_transport(error)):
            raise Unavailable from error
        raise
