"""Events as a client of the edge sends them, and what it is told of them."""

from functools import partial
from typing import Any

import httpx

from tests.e2e.account import Account
from tests.running import wait_for


def test_what_became_of_events_is_told_to_the_sender_and_in_the_statistics(owner: Account) -> None:
    known = {"user_id": "u", "event_type": "order_placed", "message_id": "m"}
    events = [known, known, {"user_id": "u", "event_type": "page_viewed"}, {"event_type": "order_placed"}, {}]
    answer = owner.server.post("/api/ingestion/track/batch/", json={"events": events})
    assert (answer.status_code, answer.json()) == (202, {"queued": 2, "skipped": 2, "duplicate": 1})
    answer = owner.server.post("/api/ingestion/track/", json=known)
    assert (answer.status_code, answer.json()) == (202, {"queued": True, "duplicate": True})
    stats = wait_for(partial(stats_of, owner, 6))
    assert {key: stats[key] for key in ("received", "stored", "duplicate", "skipped")} == {
        "received": 6,
        "stored": 2,
        "duplicate": 2,
        "skipped": 2,
    }
    hour = stats["hours"][0]["hour"]
    assert hour.endswith(":00:00Z")
    assert stats["hours"][:3] == [
        {"hour": hour, "event_type": "", "received": 1, "stored": 0, "duplicate": 0, "skipped": 1},
        {"hour": hour, "event_type": "order_placed", "received": 4, "stored": 1, "duplicate": 2, "skipped": 1},
        {"hour": hour, "event_type": "page_viewed", "received": 1, "stored": 1, "duplicate": 0, "skipped": 0},
    ]
    assert stats["from"] < hour < stats["to"]


def stats_of(account: Account, received: int) -> dict[str, Any] | None:
    stats: dict[str, Any] = account.server.get("/api/ingestion/stats/").json()
    return stats if stats["received"] >= received else None


def test_statistics_are_of_the_times_asked_for(owner: Account) -> None:
    def stats(**times: str) -> httpx.Response:
        return owner.person.get("/api/ingestion/stats/", params=times)

    answer = stats(**{"from": "2026-04-25T10:20:00+02:00", "to": "2026-04-25T09:00:00Z"})
    assert answer.json() == {
        "from": "2026-04-25T08:00:00Z",
        "to": "2026-04-25T09:00:00Z",
        "received": 0,
        "stored": 0,
        "duplicate": 0,
        "skipped": 0,
        "hours": [],
    }
    for times in ({"from": "soon", "to": "later"}, {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}):
        answer = stats(**times)
        assert (answer.status_code, set(answer.json())) == (400, {"from", "to"})
    assert stats(**{"from": "2026-04-25T10:00:00Z", "to": "2026-04-25T09:59:59Z"}).json() == {
        "from": ["Must not be after `to`."]
    }
