"""Events of users who were erased: what occurred before the erasure was asked for is never taken again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar

import msgspec

from services.ingestion import events
from services.ingestion.batches import Batch, Refused
from services.ingestion.rows import Columns
from services.kit.errors import Invalid
from services.kit.pseudonyms import Pseudonyms

T = TypeVar("T")

REFUSED = "This user was erased; only what happens later is taken."
# After every time of an event: while an erasure runs nothing is taken.
ALWAYS = "~"


@dataclass(frozen=True, kw_only=True)
class Erased:
    """The users of a tenant who were erased: by pseudonym, the warehouse's text of the time up to which."""

    tenant_id: int
    pseudonyms: Pseudonyms
    until: Mapping[bytes, str]

    def apply(self, batch: Batch) -> Batch:
        """The batch without their events; what is listed of refused events does not name them."""
        if not self.until:
            return batch
        columns = batch.columns
        late = {
            index
            for index, occurred_at in enumerate(columns.occurred_at)
            if occurred_at <= self._newest and occurred_at <= self._until(columns.user_ids[index])
        }
        refused = [self._unnamed(each) for each in batch.refused]
        refused += [
            Refused(
                place=batch.places[index],
                text=_listed(columns.event_types[index]),
                error=Invalid({"user_id": [REFUSED]}),
            )
            for index in sorted(late)
        ]
        kept = [index for index in range(len(columns.user_ids)) if index not in late]
        return Batch(
            columns=Columns(*(_some(column, kept) for column in columns)),
            places=_some(batch.places, kept),
            refused=refused,
        )

    def is_late(self, user_ids: Collection[str], text: bytes, now: datetime) -> bool:
        """Whether a valid event, a compact JSON text, says something of these users that is not taken any more."""
        if not self.until:
            return False
        occurred_at = events.parse_event(text, now).occurred_at
        return any(occurred_at <= self._until(user_id) for user_id in user_ids)

    @cached_property
    def _newest(self) -> str:
        return max(self.until.values())

    def _until(self, user_id: str) -> str:
        return self.until.get(self.pseudonyms.name(self.tenant_id, user_id), "")

    def _unnamed(self, refused: Refused) -> Refused:
        user_id = events.shown(refused.text, "user_id", events.MAX_USER_ID)
        if not self._until(user_id):
            return refused
        return replace(refused, text=_listed(events.shown(refused.text, "event_type", events.MAX_EVENT_TYPE)))


def _some(column: Sequence[T], indexes: Sequence[int]) -> list[T]:
    return [column[index] for index in indexes]


def _listed(event_type: str) -> bytes:
    return msgspec.json.encode({"event_type": event_type})
