"""Events as a shop's customers make them: skewed users and types, about 200 bytes of JSON, the same in every run."""

import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from tests.bench.load import request

BATCH = 500
BATCH_PATH = "/api/ingestion/track/batch/"
SINGLE_PATH = "/api/ingestion/track/"
SEED = 20_261
# Events in a thousand of each type.
TYPES = {"page_viewed": 670, "search_performed": 100, "cart_add": 100, "order_placed": 80, "context_identified": 50}
# The most active of half a million users does 20 times as much as the average one.
SKEW = 1.3
ODD_NUMBER = 0x9E3779B97F4A7C15

Payload = dict[str, object]


def user_id(number: int) -> str:
    """The id of a user, as random as real ones are: they compress badly. Each number has its own."""
    return f"usr_{number * ODD_NUMBER % 2**64:016x}"


def _page(chance: random.Random) -> Payload:
    return {
        "path": f"/c/{chance.randrange(60)}/p/{chance.randrange(9000)}",
        "session": f"{chance.getrandbits(48):012x}",
        "device": {"type": chance.choice(("mobile", "desktop", "tablet")), "os": chance.choice(("ios", "android"))},
    }


def _search(chance: random.Random) -> Payload:
    return {"query": f"shoes {chance.randrange(500)}", "results": chance.randrange(300), "filters": ["size", "colour"]}


def _cart(chance: random.Random) -> Payload:
    return {"sku": f"SKU-{chance.randrange(9000):05}", "price": chance.randrange(100, 20_000) / 100, "quantity": 1}


def _order(chance: random.Random) -> Payload:
    return {
        "order_id": chance.getrandbits(32),
        "total": chance.randrange(500, 30_000) / 100,
        "currency": chance.choice(("EUR", "USD", "GBP")),
        "items": [{"sku": f"SKU-{chance.randrange(9000):05}", "quantity": chance.randrange(1, 4)}],
    }


def _identity(chance: random.Random) -> Payload:
    return {"plan": chance.choice(("free", "pro", "team")), "country": chance.choice(("DE", "FR", "US")), "age": 37}


PAYLOADS: dict[str, Callable[[random.Random], Payload]] = {
    "page_viewed": _page,
    "search_performed": _search,
    "cart_add": _cart,
    "order_placed": _order,
    "context_identified": _identity,
}


def batch_bodies(count: int, users: int) -> list[bytes]:
    """`count` bodies of 500 events each, by so many users, all within the last hour."""
    chance = random.Random(SEED)
    now = datetime.now(UTC)
    kinds = chance.choices(list(TYPES), list(TYPES.values()), k=count * BATCH)

    def event(kind: str) -> Payload:
        at = now - timedelta(milliseconds=chance.randrange(3_600_000))
        return {
            "user_id": user_id(int(users * chance.random() ** SKEW)),
            "event_type": kind,
            "occurred_at": at.isoformat(timespec="milliseconds"),
            "payload": PAYLOADS[kind](chance),
        }

    starts = range(0, count * BATCH, BATCH)
    return [
        json.dumps({"events": [event(kind) for kind in kinds[start : start + BATCH]]}, separators=(",", ":")).encode()
        for start in starts
    ]


def batch_requests(bodies: Sequence[bytes], key: str) -> list[bytes]:
    """Requests that send the bodies with a secret key."""
    return [request("POST", BATCH_PATH, authorization=f"ApiKey {key}", body=body) for body in bodies]


def single_bodies(bodies: Sequence[bytes]) -> list[bytes]:
    """The events of the bodies, each as a body of its own."""
    return [
        json.dumps(event, separators=(",", ":")).encode() for body in bodies for event in json.loads(body)["events"]
    ]
