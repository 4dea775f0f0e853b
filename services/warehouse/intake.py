"""What became of received events: statements over the accounts of blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clickhouse_connect.driver.client import Client

from services.kit.errors import Invalid

# About 3 MB of an answer; twenty event types for a hundred days.
MAX_ROWS = 50_000


class TooManyRows(Invalid):
    """There is more than one answer can hold. Ask for a shorter time."""

    def __init__(self) -> None:
        super().__init__(detail=(type(self).__doc__ or ""))


@dataclass(frozen=True, kw_only=True, slots=True)
class IntakeHour:
    """The events of one type that were received in one hour, by what became of them."""

    hour: datetime
    event_type: str
    stored: int
    duplicate: int
    skipped: int


def by_hour(client: Client, tenant_id: int, begin: datetime, end: datetime) -> Sequence[IntakeHour]:
    """What was received from hour `begin` to before hour `end`, by hour, then type. Raises TooManyRows."""
    query = """
        SELECT hour, event_type, sumIf(events, outcome = 'stored'), sumIf(events, outcome = 'duplicate'),
          sumIf(events, outcome = 'skipped')
        FROM intake FINAL
        WHERE tenant_id = {tenant:UInt32}
          AND toUnixTimestamp(hour) >= {begin:Int64} AND toUnixTimestamp(hour) < {end:Int64}
        GROUP BY hour, event_type ORDER BY hour, event_type LIMIT {limit:UInt32}
    """
    bound = {
        "tenant": tenant_id,
        "begin": int(begin.timestamp()),
        "end": int(end.timestamp()),
        "limit": MAX_ROWS + 1,
    }
    rows = client.query(query, parameters=bound).result_rows
    if len(rows) > MAX_ROWS:
        raise TooManyRows
    return [
        IntakeHour(hour=hour, event_type=event_type, stored=stored, duplicate=duplicate, skipped=skipped)
        for hour, event_type, stored, duplicate, skipped in rows
    ]
