"""The tables a condition looks at, one row set per user each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from textwrap import indent

from services.warehouse.compiler import literals

# The latest event decides by (occurred_at, received_at), then by 28 random bits of its id. One 128-bit number compares
# 2.5 times faster than a tuple: 48 bits of milliseconds each, then the id.
LATEST = """\
WITH bitShiftLeft(toUInt128(toUnixTimestamp64Milli(occurred_at)), 80)
       + bitShiftLeft(toUInt128(toUnixTimestamp64Milli(received_at)), 32)
       + toUInt32(reinterpretAsUInt128(event_id)) AS moment,
     argMax(payload, moment) AS latest
"""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Whose rows count: a tenant's, those of users within `ranges` where given, and those up to `until` where given.

    A range is two user ids, both included.
    """

    tenant_id: int
    until: datetime | None = None
    ranges: Sequence[tuple[str, str]] = ()

    def filters(self, moment: str = "") -> list[str]:
        """Conditions on a table's rows, where `moment` is the column that says since when a row holds."""
        until = [f"{moment} <= {literals.milliseconds(self.until)}"] if moment and self.until else []
        within = [f"user_id BETWEEN {literals.text(first)} AND {literals.text(last)}" for first, last in self.ranges]
        return [f"tenant_id = {self.tenant_id}", *until, *([f"({' OR '.join(within)})"] if within else [])]


@dataclass(frozen=True)
class Events:
    """A user's events of these types."""

    event_types: tuple[str, ...]


@dataclass(frozen=True)
class OtherEvents:
    """A user's events of all types but these."""

    event_types: tuple[str, ...]


@dataclass(frozen=True)
class Properties:
    """A user's current property set: one row for every user who has one."""


@dataclass(frozen=True)
class Changes:
    """How a user's membership of a segment changed up to a run of its ledger: no row for who never was in it."""

    segment_id: int
    run: int


Source = Events | OtherEvents | Properties | Changes


@dataclass(frozen=True, kw_only=True)
class Test:
    """One condition over one source.

    `sql(since)` is evaluated over the rows of one user after that instant, or over all of them; it has no OR outside
    parentheses. NULL means false; it may be NULL only if `absent`, the answer for a user without such rows, is false.
    Rows up to `since`, if given, do not matter. `latest` tells that the SQL uses the payload of the latest event.
    """

    source: Source
    sql: Callable[[datetime | None], str]
    absent: bool = False
    since: datetime | None = None
    latest: bool = False


def select(
    source: Source,
    scope: Scope,
    *,
    columns: str,
    matching: str = "",
    since: datetime | None = None,
    latest: bool = False,
) -> str:
    """The users of a source, one row each, with further columns or only those `matching`.

    Rows up to `since` are left out. `latest` makes the payload of a user's latest event known under that name.
    """
    where = _where(source, scope)
    if since is not None:
        where.append(f"occurred_at > {literals.milliseconds(since)}")
    if isinstance(source, Properties):
        if matching:
            where.append(f"({matching})")
        return f"SELECT {columns}\nFROM user_props FINAL\nWHERE {_all(where)}"
    table = "membership_changes" if isinstance(source, Changes) else "events"
    having = f"\nHAVING {matching}" if matching else ""
    return f"{LATEST if latest else ''}SELECT {columns}\nFROM {table}\nWHERE {_all(where)}\nGROUP BY user_id{having}"


def members(segment_id: int, run: int, scope: Scope, columns: str) -> str:
    """The members of a segment after a run of its ledger, with further columns."""
    return select(Changes(segment_id, run), scope, columns=columns, matching=IS_MEMBER)


# Over the rows of `Changes`: the last change was an entry.
IS_MEMBER = "argMax(entered, run_id) = 1"


def everyone(scope: Scope, columns: str) -> str:
    """Every user of the tenant, with further columns."""
    return f"SELECT {columns}\nFROM users\nWHERE {_all(scope.filters('first_seen'))}"


def nested(sql: str) -> str:
    """SQL as an indented subquery."""
    return f"(\n{indent(sql, '  ')}\n)"


def listed(event_types: Sequence[str]) -> str:
    """Event types as the right side of IN."""
    return f"({', '.join(literals.text(event_type) for event_type in event_types)})"


def _where(source: Source, scope: Scope) -> list[str]:
    match source:
        case Events((event_type,)):
            return [*scope.filters("occurred_at"), f"event_type = {literals.text(event_type)}"]
        case Events(event_types):
            return [*scope.filters("occurred_at"), f"event_type IN {listed(event_types)}"]
        case OtherEvents(()):
            return scope.filters("occurred_at")
        case OtherEvents(event_types):
            return [*scope.filters("occurred_at"), f"event_type NOT IN {listed(event_types)}"]
        case Properties():
            return scope.filters()
        case Changes(segment_id, run):
            return [*scope.filters("at"), f"segment_id = {segment_id}", f"run_id <= {run}"]


def _all(conditions: list[str]) -> str:
    return "\n  AND ".join(conditions)
