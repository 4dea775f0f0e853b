"""From the request to compute a segment to `computed`, and where that time goes."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from tests.bench import alone
from tests.bench.alone import Alone
from tests.bench.events import BATCH, BATCH_PATH
from tests.bench.load import LoadFailed
from tests.e2e.account import Account
from tests.running import Running, wait_for

POLL_SECONDS = 0.02
COMPUTE_SECONDS = 120.0
RUNS = 5
PAGE = 10_000

# Who spent a lot, and came back lately: a fifth of the users of the generated data. No sum of whole cents is as close
# to the limit as half a cent, so that rounding decides nothing.
SPENT, VIEWS, DAYS = 290.005, 3, 30
DEFINITION = {
    "logic": "AND",
    "conditions": [
        {
            "type": "monetary",
            "event_type": "order_placed",
            "property": "total",
            "metric": "sum",
            "operator": "gte",
            "value": SPENT,
        },
        {
            "type": "event_count",
            "event_type": "page_viewed",
            "operator": "gte",
            "value": VIEWS,
            "window_days": DAYS,
        },
    ],
}

# What somebody who knows the engine would write for it, ids in order as a compute wants them.
BY_HAND = f"""
SELECT user_id FROM (
  SELECT user_id FROM events WHERE tenant_id = {{tenant_id}} AND event_type = 'order_placed'
  GROUP BY user_id HAVING sum(toFloat64OrNull(JSONExtractString(payload, 'total'))) >= {SPENT}
  INTERSECT
  SELECT user_id FROM events WHERE tenant_id = {{tenant_id}} AND event_type = 'page_viewed'
    AND occurred_at > toDateTime64('{{now}}', 3, 'UTC') - INTERVAL {DAYS} DAY
  GROUP BY user_id HAVING count() >= {VIEWS}
) ORDER BY user_id
"""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """One compute in seconds: all; until its job began; the warehouse's query with the copy of its rows; the rest.

    The last two are None when the warehouse did not log its part: quick calls are not worth a line.
    """

    seconds: float
    queued: float
    streamed: float | None
    written: float | None
    members: int
    computed_at: str


def create(account: Account, definition: Mapping[str, object]) -> int:
    """A new segment's id."""
    created = _answer(account.server.post("/api/segments/", json={"name": "Benchmark", "definition": definition}))
    return int(created["id"])


def measure(running: Running, account: Account, segment_id: int) -> Compute:
    """Computes a segment through the edge. How the time was spent is in the logs, under the request's id."""
    path = f"/api/segments/{segment_id}/"
    # One that was asked for earlier would answer for this one.
    wait_for(lambda: _answer(account.server.get(path))["status"] != "computing", COMPUTE_SECONDS)
    started = time.perf_counter()
    queued = account.server.post(f"{path}compute/")
    _answer(queued)
    while (segment := _answer(account.server.get(path)))["status"] == "computing":
        if time.perf_counter() > started + COMPUTE_SECONDS:
            raise LoadFailed("a compute does not end")
        time.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - started
    if segment["status"] != "computed":
        raise LoadFailed(f"a compute failed: {segment['last_error']}")
    logs, request_id = running.settings.home / "log", queued.headers["x-request-id"]
    job: float = wait_for(lambda: _logged(logs / "segments.log", request_id, "computed"))["seconds"]
    query = _logged(logs / "warehouse.log", request_id, "rpc")
    streamed = query["duration_ms"] / 1000 if query else None
    return Compute(
        seconds=seconds,
        queued=seconds - job,
        streamed=streamed,
        written=job - streamed if streamed else None,
        members=segment["member_count"],
        computed_at=segment["last_computed_at"],
    )


def change(account: Account, users: int) -> None:
    """Makes new users match DEFINITION, and returns when the warehouse knows them."""
    names = [f"new_{secrets.token_hex(8)}" for _ in range(users)]
    events: list[dict[str, object]] = [
        {"user_id": name, "event_type": "order_placed", "payload": {"total": SPENT + 1}} for name in names
    ]
    events += [{"user_id": name, "event_type": "page_viewed"} for name in names for _ in range(VIEWS)]
    for start in range(0, len(events), BATCH):
        _answer(account.server.post(BATCH_PATH, json={"events": events[start : start + BATCH]}))
    # The log is loaded in its order: when the last one is there, all are.
    search = f"/api/explorer/users/{names[-1]}/"
    wait_for(lambda: account.server.get(search).json().get("event_count") == 1 + VIEWS)


def members(account: Account, segment_id: int, most: int) -> list[str]:
    """User ids in a segment, not more than `most`."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None and len(found) < most:
        page = _answer(account.server.get(f"/api/segments/{segment_id}/members/?limit={PAGE}&cursor={cursor}"))
        found += [member["user_id"] for member in page["results"]]
        cursor = page["next_cursor"]
    return found[:most]


def by_hand(warehouse: Path, tenant_id: int, compute: Compute) -> float:
    """Seconds of the query by hand on a warehouse whose platform has stopped. Raises LoadFailed if it disagrees."""
    now = compute.computed_at.replace("T", " ").removesuffix("Z")
    query = BY_HAND.format(tenant_id=tenant_id, now=now)
    with Alone(warehouse) as engine:
        runs = [engine.run(alone.query_lines, query) for _ in range(RUNS)]
    if (users := runs[0][0]) != compute.members:
        raise LoadFailed(f"the segment has {compute.members} members, the query by hand finds {users}")
    return median(seconds for _, seconds in runs)


def _logged(log: Path, request_id: str, message: str) -> dict[str, Any] | None:
    """The line with this message that a process logged for a request, once it is in the file."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if request_id in line)
    return next((line for line in lines if line["message"] == message), None)


def _answer(response: httpx.Response) -> Any:
    if not response.is_success:
        raise LoadFailed(f"{response.request.url.path}: {response.status_code} {response.text}")
    return response.json()
