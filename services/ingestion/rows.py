"""Rows of the event log: ClickHouse's TabSeparated, one event a line, which the warehouse inserts without parsing.

Columns: tenant_id, user_id, event_type, occurred_at, received_at, event_id, payload, anonymous_id. Nothing in an event
holds a raw control character, so the backslash is all that needs escaping.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import NamedTuple


class Columns(NamedTuple):
    """Valid events by column: the fields of `Event`, in its order, all equally long."""

    user_ids: Sequence[str]
    event_types: Sequence[str]
    occurred_at: Sequence[str]
    payloads: Sequence[str]
    anonymous_ids: Sequence[str]
    message_ids: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Encoded events, received in one request.

    `derived_ids` are the event ids that derive from a message_id, in order. `skipped` counts the invalid events of the
    request by event type, for the accounts that the warehouse keeps.
    """

    text: bytes
    count: int
    received_at: str
    derived_ids: Sequence[str] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)


def encode(tenant_id: int, received_at: str, columns: Columns, skipped: Mapping[str, int]) -> Rows:
    """The rows of some events, each with a new event id or the one that belongs to its message_id."""
    count = len(columns.user_ids)
    event_ids = random_ids(count)
    derived_ids: list[str] = []
    if any(columns.message_ids):
        for place, message_id in enumerate(columns.message_ids):
            if message_id:
                event_ids[place] = derived_id(tenant_id, message_id)
                derived_ids.append(event_ids[place])
    lines = [
        f"{tenant_id}\t{user_id}\t{event_type}\t{occurred_at}\t{received_at}\t{event_id}\t{payload}\t{anonymous_id}\n"
        for user_id, event_type, occurred_at, event_id, payload, anonymous_id in zip(
            columns.user_ids,
            columns.event_types,
            columns.occurred_at,
            event_ids,
            columns.payloads,
            columns.anonymous_ids,
            strict=True,
        )
    ]
    text = "".join(lines).encode().replace(b"\\", b"\\\\")
    return Rows(text=text, count=count, received_at=received_at, derived_ids=derived_ids, skipped=skipped)


def random_ids(count: int) -> list[str]:
    """`count` random UUIDs (version 4), made digit by digit for all at once: six times as fast as uuid4."""
    digits = os.urandom(16 * count).hex().encode()
    text = bytearray(b"-" * (36 * count))
    source = 0
    for place in range(36):
        if place in (8, 13, 18, 23):
            continue
        text[place::36] = digits[source::32]
        source += 1
    text[14::36] = b"4" * count
    # The variant; two of its bits could be random, 120 others are.
    text[19::36] = b"8" * count
    ids = text.decode()
    return [ids[start : start + 36] for start in range(0, 36 * count, 36)]


def derived_id(tenant_id: int, message_id: str) -> str:
    """UUIDv5 of a message_id; the name space is the UUID with the tenant's number. Three times as fast as uuid5."""
    digest = sha1(tenant_id.to_bytes(16, "big") + message_id.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
