"""The tables a condition looks at, one row set per user each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from textwrap import indent

from services.warehouse.compiler import literals
from services.warehouse.layout import SHARD

# The latest event decides by (occurred_at, received_at), then by 28 random bits of its id. One 128-bit number compares
# 2.5 times faster than a tuple: 48 bits of milliseconds each, then the id.
LATEST = """\
WITH bitShiftLeft(toUInt128(toUnixTimestamp64Milli(occurred_at)), 80)
       + bitShiftLeft(toUInt128(toUnixTimestamp64Milli(received_at)), 32)
       + toUInt32(reinterpretAsUInt128(event_id)) AS moment,
     argMax(payload, moment) AS latest
"""


# In place of each user id that of the person, which is the same for ids that were never linked.
RESOLVED = "SELECT * REPLACE (if(person_id = '', user_id, person_id) AS user_id)"
# Of property sets that are equally new any one, but always the same.
NEWEST_SETS = "SELECT user_id, argMax(payload, (ver, payload)) AS payload"


class Part(Enum):
    """Of whom a statement tells: all users, those of one shard by its own tables, or those with links."""

    ALL = auto()
    SHARD = auto()
    LINKED = auto()


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Whose rows count: a tenant's, those of users within `ranges` where given, and those up to `until` where given.

    A range is two user ids, both included. `user_ids`: only those, where given. `linked`: some user ids are linked to
    others, and a user is a person with all of theirs, known by the one at the end of the links.
    """

    tenant_id: int
    until: datetime | None = None
    ranges: Sequence[tuple[str, str]] = ()
    user_ids: Sequence[str] = ()
    linked: bool = False
    part: Part = Part.ALL

    def table(self, name: str) -> str:
        """The name of a table in this part."""
        return f"{name}{SHARD}" if self.part is Part.SHARD else name

    def filters(self, moment: str = "") -> list[str]:
        """Conditions on a table's rows, where `moment` is the column that says since when a row holds."""
        until = [f"{moment} <= {literals.milliseconds(self.until)}"] if moment and self.until else []
        these = [f"user_id IN {listed(self.user_ids)}"] if self.user_ids else []
        linked = [f"user_id IN ({linked_ids(self.tenant_id)})"] if self.part is Part.LINKED else []
        return [f"tenant_id = {self.tenant_id}", *until, *self._in_ranges(), *these, *linked]

    def persons(self) -> list[str]:
        """Conditions on rows that are under the ids of persons."""
        return [self._within("user_id")] if self.ranges else []

    def _in_ranges(self) -> list[str]:
        if not self.ranges or not self.linked:
            return self.persons()
        theirs = f"SELECT user_id FROM user_links FINAL WHERE tenant_id = {self.tenant_id}"
        return [f"({self._within('user_id')} OR user_id IN ({theirs} AND {self._within('person_id')}))"]

    def _within(self, column: str) -> str:
        tests = [f"{column} BETWEEN {literals.text(first)} AND {literals.text(last)}" for first, last in self.ranges]
        return f"({' OR '.join(tests)})"


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

    `check` makes it of its `aggregates`, or of their names. `aggregates(since)` are evaluated over the rows of one user
    after that instant, or over all of them. The condition has no OR outside parentheses. NULL means false; it may be
    NULL only if `absent`, the answer for a user without such rows, is false. Rows up to `since`, if given, do not
    matter. `latest` tells that it uses the payload of the latest event.
    """

    source: Source
    check: Callable[..., str]
    aggregates: Callable[[datetime | None], tuple[str, ...]] = lambda since: ()
    absent: bool = False
    since: datetime | None = None
    latest: bool = False

    def sql(self, since: datetime | None) -> str:
        """The condition over the rows of one user after an instant, or over all of them."""
        return self.check(*self.aggregates(since))


def linked_ids(tenant_id: int) -> str:
    """All user ids that have to do with a link."""
    return f"SELECT arrayJoin([user_id, person_id]) FROM user_links FINAL WHERE tenant_id = {tenant_id}"


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
    where = filters(source, scope)
    if since is not None:
        where.append(f"occurred_at > {literals.milliseconds(since)}")
    if isinstance(source, Properties):
        tests = [f"({matching})"] if matching else []
        if scope.linked:
            sets = f"{NEWEST_SETS}\nFROM {_of_persons('user_props', where, scope)}\nGROUP BY user_id"
            return f"SELECT {columns}\nFROM {nested(sets)}{_where(tests)}"
        return f"SELECT {columns}\nFROM {scope.table('user_props')} FINAL{_where([*where, *tests])}"
    table = "membership_changes" if isinstance(source, Changes) else "events"
    rows = _of_persons(table, where, scope) if scope.linked else f"{scope.table(table)}{_where(where)}"
    having = f"\nHAVING {matching}" if matching else ""
    return f"{LATEST if latest else ''}SELECT {columns}\nFROM {rows}\nGROUP BY user_id{having}"


def members(segment_id: int, run: int, scope: Scope, columns: str) -> str:
    """The members of a segment after a run of its ledger, with further columns."""
    return select(Changes(segment_id, run), scope, columns=columns, matching=IS_MEMBER)


# Over the rows of `Changes`: the last change was an entry.
IS_MEMBER = "argMax(entered, run_id) = 1"


def everyone(scope: Scope, columns: str) -> str:
    """Every user of the tenant, with further columns."""
    where = scope.filters("first_seen")
    rows = _of_persons("users", where, scope) if scope.linked else f"{scope.table('users')}{_where(where)}"
    return f"SELECT {columns}\nFROM {rows}"


def nested(sql: str) -> str:
    """SQL as an indented subquery."""
    return f"(\n{indent(sql, '  ')}\n)"


def listed(texts: Sequence[str]) -> str:
    """Texts, such as event types, as the right side of IN."""
    return f"({', '.join(literals.text(text) for text in texts)})"


def filters(source: Source, scope: Scope) -> list[str]:
    """Conditions on the rows of a source's table."""
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


def _of_persons(table: str, where: list[str], scope: Scope) -> str:
    """What follows FROM: the rows of a table that satisfy all conditions, under the ids of persons."""
    columns, rows = "*", f"{table}{_where(where)}"
    if table == "membership_changes":
        # A person is in a segment if one of their ids is.
        members = f"SELECT user_id\nFROM {rows}\nGROUP BY user_id\nHAVING {IS_MEMBER}"
        columns, rows = "user_id, true AS entered, 1 AS run_id", nested(members)
    found = f"SELECT {columns}\nFROM {rows}"
    links = f"SELECT user_id, person_id\nFROM user_links FINAL\nWHERE tenant_id = {scope.tenant_id}"
    resolved = f"{RESOLVED}\nFROM {nested(found)} AS found\nANY LEFT JOIN {nested(links)} AS links USING (user_id)"
    return f"{nested(resolved)}{_where(scope.persons())}"


def _where(conditions: list[str]) -> str:
    return f"\nWHERE {joined(conditions)}" if conditions else ""


def joined(conditions: list[str]) -> str:
    """Conditions that must all hold, one a line."""
    return "\n  AND ".join(conditions)
