"""Statistics of received events: which hours are asked for, and what they sum up to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.ingestion import times
from services.kit.errors import Invalid

HOUR = timedelta(hours=1)
USUAL_RANGE = timedelta(hours=24)
MAX_RANGE = timedelta(days=400)
# Beyond them hours and days cannot be added or taken off.
FIRST_YEAR, LAST_YEAR = 1970, 9998


@dataclass(frozen=True, kw_only=True, slots=True)
class HourStats:
    """The events of one type that were received in one hour, by what became of them."""

    hour: datetime
    event_type: str
    stored: int
    duplicate: int
    skipped: int

    @property
    def received(self) -> int:
        """All of them."""
        return self.stored + self.duplicate + self.skipped


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """Whole hours: from `begin` to before `end`."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """Sums over hours and types."""

    received: int
    stored: int
    duplicate: int
    skipped: int


def period(sent_from: str, sent_to: str, now: datetime) -> Period:
    """The hours that a request asks for, where an empty text is none. Raises Invalid with every wrong field."""
    wrong: dict[str, list[str]] = {}

    def moment(name: str, text: str, default: datetime) -> datetime:
        try:
            return _moment(text) if text else default
        except ValueError as error:
            wrong[name] = [str(error)]
            return default

    to = moment("to", sent_to, now)
    since = moment("from", sent_from, to - USUAL_RANGE)
    if not wrong and since > to:
        wrong["from"] = ["Must not be after `to`."]
    elif not wrong and to - since > MAX_RANGE:
        wrong["from"] = [f"Must not be more than {MAX_RANGE.days} days before `to`."]
    if wrong:
        raise Invalid(wrong)
    begin, last = _hour(since), _hour(to)
    return Period(begin=begin, end=last if last == to else last + HOUR)


def totals(hours: Sequence[HourStats]) -> Totals:
    """What became of all the events."""
    return Totals(
        received=sum(hour.received for hour in hours),
        stored=sum(hour.stored for hour in hours),
        duplicate=sum(hour.duplicate for hour in hours),
        skipped=sum(hour.skipped for hour in hours),
    )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(times.parse_time(text)).replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError("Must be an RFC 3339 time, such as 2026-04-25T14:32:00Z.") from error
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"Must be in the years {FIRST_YEAR} to {LAST_YEAR}.")
    return moment


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
