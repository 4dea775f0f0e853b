"""Ten million events of half a million users over 180 days, made by the engine itself, the same in every run of a day.

Skewed as a shop's are, like the ones in tests/bench/events.py.
"""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

from tests.bench import alone
from tests.bench.alone import Alone
from tests.bench.events import ODD_NUMBER, SKEW, TYPES

DAYS = 180
CHUNK = 1_000_000
MERGE_POLL_SECONDS = 0.2

# Payloads by type, with SQL over two random numbers in angle brackets. An order's total is text in one of a hundred
# orders, a whole number in every third of the others.
CENTS = "(500 + a % 29500)"
TOTAL = f"multiIf(b % 100 = 0, '\"' || toString({CENTS} / 100) || '\"', toString({CENTS} / if(b % 3 = 0, 1, 100)))"
PAYLOADS = {
    "page_viewed": '{"path":"/c/<a % 60>/p/<b % 9000>","session":"<hex(a)>","device":{"type":"mobile","os":"android"}}',
    "search_performed": '{"query":"shoes <a % 500>","results":<b % 300>,"filters":["size","colour"]}',
    "cart_add": '{"sku":"SKU-<a % 9000>","price":<b % 20000 / 100>,"quantity":1}',
    "order_placed": f'{{"order_id":<b % 4294967296>,"total":<{TOTAL}>,"currency":"<[\'EUR\', \'USD\'][1 + a % 2]>",'
    '"items":[{"sku":"SKU-<a % 9000>","quantity":<1 + b % 3>}]}',
    "context_identified": '{"plan":"<[\'free\', \'pro\', \'team\'][1 + a % 3]>","country":"DE","age":<18 + b % 60>}',
}

INSERT = """
INSERT INTO events (tenant_id, user_id, event_type, occurred_at, received_at, event_id, payload, batch_id)
WITH
  toUInt64({users} * pow(cityHash64(number, 1) / 18446744073709551616, {skew})) AS who,
  cityHash64(number, 2) % 1000 AS kind,
  cityHash64(number, 3) AS a,
  cityHash64(number, 4) AS b
SELECT
  {tenant_id},
  'usr_' || lower(leftPad(hex(who * {odd_number}), 16, '0')),
  multiIf({types}) AS type,
  toDateTime64('{end}', 3, 'UTC') - toIntervalMillisecond(b % ({days} * 86400000)) AS at,
  at + toIntervalMillisecond(250),
  reinterpretAsUUID(sipHash128(number)),
  multiIf({payloads}),
  {batch_id}
FROM numbers({first}, {count})
SETTINGS insert_deduplication_token = '{batch_id}'
"""


def generate(directory: Path, *, tenant_id: int, events: int, users: int, done: Callable[[int], object]) -> None:
    """Fills a warehouse directory; `done` is told each number of events."""
    shape = {
        "tenant_id": tenant_id,
        "users": users,
        "skew": SKEW,
        "odd_number": ODD_NUMBER,
        "days": DAYS,
        "end": datetime.now(UTC).strftime("%Y-%m-%d 00:00:00"),
        "types": _choice({f"kind < {end}": f"'{name}'" for name, end in _upper_ends()}),
        "payloads": _choice({f"type = '{name}'": _text(payload) for name, payload in PAYLOADS.items()}),
    }
    with Alone(directory) as engine:
        for batch_id, first in enumerate(range(0, events, CHUNK), start=1):
            count = min(CHUNK, events - first)
            engine.run(alone.command, INSERT.format(batch_id=batch_id, first=first, count=count, **shape))
            done(count)
        # Merges that go on would slow down what is measured next.
        while engine.run(alone.number, "SELECT count() FROM system.merges"):
            time.sleep(MERGE_POLL_SECONDS)


def _upper_ends() -> list[tuple[str, int]]:
    return list(zip(TYPES, accumulate(TYPES.values()), strict=True))


def _choice(cases: dict[str, str]) -> str:
    """Arguments of multiIf; the last case holds when no other does."""
    *first, (_, last) = cases.items()
    return ", ".join([f"{condition}, {value}" for condition, value in first] + [last])


def _text(template: str) -> str:
    """SQL for a text with the values of expressions in it."""
    parts = re.split("<(.*?)>", template)
    literals = [f"'{part}'" for part in parts[::2]]
    values = [f"toString({part})" for part in parts[1::2]]
    return " || ".join(part for pair in zip(literals, [*values, "''"], strict=True) for part in pair)
