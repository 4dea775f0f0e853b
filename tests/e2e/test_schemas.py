"""Schemas and quotas through the edge."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from segops_admin import SegOpsAdmin, SegOpsApiError

from tests.e2e.account import Account
from tests.e2e.segopsctl import segopsctl
from tests.e2e.test_segments import ok, wrong
from tests.running import Running, wait_for

WHOLE_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TOTAL = {"name": "total", "type": "number", "required": True}
CITY = {"name": "to.city", "type": "string", "required": False}
SCHEMA = {"event_type": "order", "properties": [TOTAL, CITY]}


def track(account: Account, payload: dict[str, Any]) -> httpx.Response:
    event = {"user_id": "u", "event_type": "order", "payload": payload}
    return account.server.post("/api/ingestion/track/", json=event)


def test_a_schema_is_made_read_changed_and_deleted(owner: Account, stranger: Account) -> None:
    made = ok(owner.server.post("/api/schemas/", json=SCHEMA), 201)
    assert made | SCHEMA == made
    assert WHOLE_SECONDS.fullmatch(made["created_at"])
    place = f"/api/schemas/{made['id']}/"
    assert ok(owner.server.get(place)) == made
    assert ok(owner.person.get("/api/schemas/")) == {"count": 1, "next": None, "previous": None, "results": [made]}
    changed = ok(owner.server.patch(place, json={"properties": [CITY]}))
    assert (changed["event_type"], changed["properties"]) == ("order", [CITY])
    assert ok(owner.server.put(place, json=SCHEMA))["properties"] == [TOTAL, CITY]
    assert ok(stranger.server.get(place), 404) == {"detail": "Not found."}
    ok(stranger.server.delete(place), 404)
    ok(owner.server.delete(place), 204)
    ok(owner.server.get(place), 404)


def test_every_wrong_field_of_a_schema_is_told(owner: Account) -> None:
    assert wrong(owner.server.post("/api/schemas/", json={})) == {
        "event_type": ["This field is required."],
        "properties": ["This field is required."],
    }
    properties = [{"name": "a", "type": "foo"}, TOTAL, TOTAL, {"name": "b", "type": "array", "unit": "EUR"}]
    assert wrong(owner.server.post("/api/schemas/", json={"event_type": 5, "properties": properties})) == {
        "event_type": ["Must be text, not a number."],
        "properties": [
            "[0].type: 'foo' is not one of string, number, boolean, datetime, array.",
            "[3].unit: unknown key",
            "[2].name: Repeats the one of [1].",
        ],
    }
    ok(owner.server.post("/api/schemas/", json=SCHEMA), 201)
    taken = {"event_type": ["This event type has a schema already."]}
    assert wrong(owner.server.post("/api/schemas/", json=SCHEMA)) == taken
    for bad in ("{", "[]"):
        answer = owner.server.post("/api/schemas/", content=bad, headers={"content-type": "application/json"})
        assert answer.status_code == 400


def test_events_are_held_to_their_schema_and_errors_filtered(owner: Account) -> None:
    ok(owner.server.post("/api/schemas/", json=SCHEMA), 201)
    answer = wait_for(lambda: refused if (refused := track(owner, {})).status_code == 400 else None, 1)
    assert wrong(answer) == {"payload": ["total: Required by the schema of 'order'."]}
    ok(track(owner, {"total": "19.90", "to": {"city": 7}}), 202)

    def newest() -> Any:
        events = owner.server.get("/api/explorer/users/u/events/").json()
        return events["results"][0]["payload"] if events.get("results") else None

    wait_for(lambda: newest() == {"total": 19.9, "to": {"city": "7"}})
    other = {"events": [{"user_id": "u", "event_type": "other", "occurred_at": "soon"}]}
    ok(owner.server.post("/api/ingestion/track/batch/", json=other), 202)

    def listed(event_type: str) -> list[str]:
        page = ok(owner.server.get("/api/ingestion/errors/", params={"event_type": event_type}))
        assert page["count"] == len(page["results"])
        return [error["error"] for error in page["results"]]

    # It is written in the background, perhaps between a count and its list: only then both are looked at.
    wait_for(lambda: ok(owner.server.get("/api/ingestion/errors/", params={"event_type": "other"}))["results"])
    assert listed("other") == ["occurred_at: Must be an RFC 3339 time, such as 2026-04-25T14:32:00Z."]
    assert set(listed("order")) == {"payload: total: Required by the schema of 'order'."}
    assert listed("none") == []


def test_the_published_client_infers_and_validates(url: str, owner: Account) -> None:
    admin = SegOpsAdmin(api_key=owner.key, base_url=f"{url}/api", max_retries=0)
    events = [{"user_id": "u", "event_type": "order", "payload": {"total": 5, "to": {"city": "Rome"}}}]
    [inferred] = admin.schemas.infer(events)["schemas"]
    assert inferred == {"event_type": "order", "properties": [TOTAL, CITY | {"required": True}]}
    assert admin.schemas.create(inferred)["event_type"] == "order"
    assert admin.schemas.validate("order", {"total": "5", "to": {}, "more": None}) == {
        "valid": False,
        "errors": ["to.city: Required by the schema of 'order'."],
        "payload": {"total": 5, "to": {}, "more": None},
    }
    with pytest.raises(SegOpsApiError, match="400"):
        admin.schemas.infer([])


@pytest.fixture
def database(platform: Running) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(platform.settings.libpq_dsn, autocommit=True) as connection:
        yield connection


def test_past_the_monthly_quota_the_answer_says_when_to_come_again(
    platform: Running, owner: Account, database: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    database.execute(
        "INSERT INTO event_counts (tenant_id, month, events) VALUES (%s, %s, 500000)", (owner.tenant_id, month.date())
    )
    assert segopsctl(platform, "tenants", "set-plan", owner.slug, "free").returncode == 0
    answer = wait_for(lambda: refused if (refused := track(owner, {})).status_code == 429 else None, 1)
    assert answer.json() == {"detail": "The plan 'free' takes 500,000 events a month, and this month's are used up."}
    next_month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    seconds = (next_month - datetime.now(UTC)).total_seconds()
    assert seconds <= int(answer.headers["retry-after"]) <= seconds + 5
    assert segopsctl(platform, "tenants", "set-plan", owner.slug, "starter").returncode == 0
    wait_for(lambda: track(owner, {}).status_code == 202, 1)
