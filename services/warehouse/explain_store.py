"""The statements about one person's conditions."""

import time
from collections.abc import Collection, Mapping
from datetime import datetime

from clickhouse_connect.driver.client import Client

from services.warehouse.compiler import literals
from services.warehouse.compiler.facts import moment_of
from services.warehouse.compiler.questions import Answers, Questions, Row
from services.warehouse.compiler.sources import Events, Scope, filters, joined
from services.warehouse.failures import TooSlow

# Of all statements about the same questions; almost always there is one, of some milliseconds.
MOST_SECONDS = 10.0

# What is known of an event: its type, and when it occurred.
Occurrence = tuple[str, datetime]


def answers(client: Client, questions: Questions) -> Answers:
    """What is answered to some questions. Raises TooSlow."""
    started = time.monotonic()
    rows: list[Row] = []
    for statement in questions.statements():
        if time.monotonic() - started > MOST_SECONDS:
            raise TooSlow
        rows += [(side, branch, found) for side, branch, found in client.query(statement).result_rows]
    return questions.read(rows)


def event_ids(client: Client, scope: Scope, occurrences: Collection[Occurrence]) -> Mapping[Occurrence, str]:
    """The ids of events of the scope's users; the least one where several of a type occurred at once."""
    event_types = tuple(sorted({event_type for event_type, _ in occurrences}))
    times = ", ".join(sorted({literals.milliseconds(occurred_at) for _, occurred_at in occurrences}))
    where = joined([*filters(Events(event_types), scope), f"occurred_at IN ({times})"])
    columns = "toString(event_type), toUnixTimestamp64Milli(occurred_at), toString(min(event_id))"
    rows = client.query(f"SELECT {columns} FROM events WHERE {where} GROUP BY 1, 2").result_rows
    return {(event_type, moment_of(at)): event_id for event_type, at, event_id in rows}
