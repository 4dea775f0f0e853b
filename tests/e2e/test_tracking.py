"""The libraries of Segment and RudderStack, unmodified: every call is stored once, whatever they send again."""

import importlib.metadata
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import rudderstack.analytics.client
import rudderstack.analytics.request
import segment.analytics.client
import segment.analytics.request

from tests.e2e.account import Account
from tests.e2e.losing import losing_way
from tests.e2e.test_error_shapes import error_of
from tests.running import Running, wait_for

LIBRARIES = {
    "segment": (segment.analytics.client.Client, segment.analytics.request.post),
    "rudder": (rudderstack.analytics.client.Client, rudderstack.analytics.request.post),
}
BOTH = pytest.mark.parametrize("library", LIBRARIES)
GZIP = pytest.mark.parametrize("gzip", [True, False], ids=["gzip", "plain"])


def client_of(library: str, account: Account, host: str, **options: Any) -> Any:
    """A client that calls `on_error` with what it gives up."""
    make: Callable[..., Any] = LIBRARIES[library][0]
    return make(account.key, host=host, upload_interval=0.05, **options)


def event_types(account: Account, user_id: str) -> Counter[str]:
    """How many events of each type a user has."""
    answer = account.server.get(f"/api/explorer/users/{user_id}/events/", params={"limit": 200})
    return Counter(event["event_type"] for event in answer.json()["results"])


def stored(account: Account) -> dict[str, int]:
    """How many events each user has."""
    answer = account.server.get("/api/explorer/users/", params={"limit": 200})
    return {user["user_id"]: user["event_count"] for user in answer.json()["results"]}


def settled(account: Account) -> dict[str, int]:
    """The same when everything that was sent before is counted."""
    marker = f"marker-{uuid.uuid4()}"
    account.server.post("/api/ingestion/track/", json={"user_id": marker, "event_type": "marker"})
    wait_for(lambda: marker in stored(account))
    return {user_id: count for user_id, count in stored(account).items() if not user_id.startswith("marker-")}


def test_they_are_the_published_ones() -> None:
    assert importlib.metadata.version("segment-analytics-python") == "2.4.0"
    assert importlib.metadata.version("rudder-sdk-python") == "2.1.9"
    for module in (segment.analytics.client, rudderstack.analytics.client):
        assert "site-packages" in str(module.__file__)


@BOTH
@GZIP
def test_every_kind_of_call_is_an_event(url: str, owner: Account, library: str, gzip: bool) -> None:
    given_up: list[object] = []
    client = client_of(library, owner, url, gzip=gzip, on_error=lambda error, _: given_up.append(error))
    client.identify("u1", {"plan": "pro", "name": "Älice"})
    client.track("u1", "Order Completed", {"total": 12.5}, context={"ip": "1.2.3.4"})
    client.page("u1", "Docs", "Home", {"url": "/"})
    client.screen("u1", "Docs", "Start")
    client.group("u1", "g1", {"seats": 5})
    client.alias("u0", "u1")
    client.track(event="Seen", anonymous_id="a1")
    client.shutdown()
    assert given_up == []
    assert settled(owner) == {"u1": 6, "anon_a1": 1}
    kinds = ["context_identified", "Order Completed", "page_viewed", "screen_viewed", "group_joined", "user_aliased"]
    assert event_types(owner, "u1") == Counter(kinds)
    assert owner.server.get("/api/explorer/users/u1/").json()["properties"] == {"plan": "pro", "name": "Älice"}


@BOTH
@GZIP
def test_a_lost_answer_adds_nothing(platform: Running, owner: Account, library: str, gzip: bool) -> None:
    given_up: list[object] = []
    with losing_way(platform.settings.edge_port) as way:
        way.to_lose = 1
        options = {"gzip": gzip, "on_error": lambda error, _: given_up.append(error)}
        client = client_of(library, owner, way.url, upload_size=30, **options)
        for number in range(30):
            client.track("u1", "Clicked", {"number": number})
        client.shutdown()
        assert way.lost == 1
    assert given_up == []
    assert settled(owner) == {"u1": 30}


@BOTH
def test_a_batch_that_is_sent_again_adds_nothing(url: str, owner: Account, library: str) -> None:
    post: Callable[..., Any] = LIBRARIES[library][1]
    batch = [
        {"type": "track", "userId": "u1", "event": "Clicked", "messageId": f"m-{number}", "properties": {"a": 1}}
        for number in range(100)
    ]
    for gzip in (True, False, True):
        assert post(owner.key, url, gzip=gzip, batch=batch).status_code == 200
    assert settled(owner) == {"u1": 100}


def test_every_route_answers_as_the_libraries_expect(url: str, owner: Account) -> None:
    calls: dict[str, dict[str, object]] = {
        "track": {"event": "Clicked"},
        "identify": {"traits": {"plan": "pro"}},
        "page": {"name": "Home"},
        "screen": {"name": "Home"},
        "group": {"groupId": "g1"},
        "alias": {"previousId": "u0"},
    }
    with httpx.Client(base_url=url, auth=(owner.key, ""), verify=False) as http:
        for name, call in calls.items():
            body = {"userId": "u1", "messageId": name, **call}
            for path, fresh in ((f"/v1/{name}", 1), (f"/v1/{name}/", 0)):
                answer = http.post(path, json=body)
                assert answer.status_code == 200, answer.text
                assert answer.json() == {"success": True, "queued": fresh, "skipped": 0, "duplicate": 1 - fresh}
    assert settled(owner) == {"u1": 6}


def test_wrong_calls_of_a_batch_are_skipped_and_listed(owner: Account) -> None:
    good = {"type": "track", "userId": "u1", "event": "Clicked"}
    wrong = [{**good, "type": "purchase"}, {**good, "userId": ""}, {"type": "group", "userId": "u1"}, "text", None]
    answer = owner.server.post("/v1/batch", json={"batch": [good, *wrong, good]})
    assert (answer.status_code, answer.json()["queued"], answer.json()["skipped"]) == (200, 2, 5)
    errors = wait_for(lambda: _all(owner.server.get("/api/ingestion/errors/").json(), 5))
    told = sorted(error["error"] for error in errors)
    assert told == sorted(
        [
            "type: Must be one of track, identify, page, screen, group, alias.",
            "user_id: This field is required.",
            "groupId: This field is required.",
            "event: Must be an object.",
            "event: Must be an object.",
        ]
    )
    assert settled(owner) == {"u1": 2}


def test_a_wrong_single_call_is_400_with_the_names_it_was_sent_under(owner: Account) -> None:
    answer = owner.server.post("/v1/track", json={"event": 5, "properties": [1], "timestamp": "never"})
    assert error_of(answer, 400).keys() == {"userId", "event", "properties", "timestamp"}
    for body in (b"{", b"[]", b"null", b""):
        error_of(owner.server.post("/v1/track", content=body, headers={"content-type": "application/json"}), 400)


@pytest.mark.parametrize("batch", [None, {}, "text", [], [{}] * 501])
def test_what_is_no_batch_is_400(owner: Account, batch: object) -> None:
    assert error_of(owner.server.post("/v1/batch", json={"batch": batch}), 400).keys() == {"batch"}


@pytest.mark.parametrize("key", ["sk_live_wrong", "", "nobody:knows"])
def test_a_wrong_key_is_401(url: str, key: str) -> None:
    answer = httpx.post(f"{url}/v1/batch", json={"batch": []}, auth=(key, ""), verify=False)
    error_of(answer, 401)
    assert answer.headers["www-authenticate"]


def _all(page: dict[str, Any], count: int) -> list[dict[str, str]] | None:
    """The errors of a page, when there are that many."""
    return page["results"] if page["count"] == count else None
