"""Links between user ids as a client sees them: one person under all of their ids, before the link and after."""

import hashlib
import hmac
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import segment.analytics.client
from segops_admin import SegOpsAdmin, SegOpsApiError

from tests.e2e.account import Account
from tests.e2e.test_segments import compute, create, did, ok, wrong
from tests.e2e.test_sessions import ask, new_public_key, session
from tests.running import Running, wait_for


def track(account: Account, *events: tuple[str, str]) -> None:
    """Events by user id and type; returns when they are seen."""
    before = seen(account)
    body = {"events": [{"user_id": user_id, "event_type": event_type} for user_id, event_type in events]}
    assert ok(account.server.post("/api/ingestion/track/batch/", json=body), 202)["skipped"] == 0
    wait_for(lambda: seen(account) == before + len(events))


def seen(account: Account) -> int:
    """Events of all users."""
    found = ok(account.server.get("/api/explorer/users/", params={"limit": 200}))
    return int(sum(user["event_count"] for user in found["results"]))


def matching(account: Account, definition: dict[str, Any]) -> list[str]:
    answer = ok(account.server.post("/api/segments/preview/", json={"definition": definition, "limit": 100}))
    assert answer["matched_users"] == len(answer["sample_user_ids"])
    found: list[str] = answer["sample_user_ids"]
    return found


def alias(account: Account, anonymous_id: str, user_id: str) -> httpx.Response:
    return account.server.post("/api/identity/alias/", json={"anonymous_id": anonymous_id, "user_id": user_id})


def merge(account: Account, user_id: str, into: str) -> httpx.Response:
    return account.server.post("/api/identity/merge/", json={"from_user_id": user_id, "into_user_id": into})


def segment_ids(account: Account, user_id: str) -> list[int]:
    answer = ok(account.server.get("/api/segments/membership/", params={"user_id": user_id}))
    assert answer["user_id"] == user_id
    return [segment["segment_id"] for segment in answer["segments"]]


def person_of(account: Account, user_id: str) -> tuple[str, int]:
    """The user id under which somebody is shown, and how many events they have."""
    user = ok(account.server.get(f"/api/explorer/users/{user_id}/"))
    return user["user_id"], user["event_count"]


def test_what_a_visitor_did_before_and_does_after_the_link_is_the_users(owner: Account, stranger: Account) -> None:
    for account in (owner, stranger):
        track(account, ("anon_x", "visited"), ("ann", "visited"), ("bob", "visited"))
    segment = create(owner, name="Twice", definition=did("visited", 2))
    compute(owner, segment["id"])
    assert (segment_ids(owner, "ann"), segment_ids(owner, "anon_x")) == ([], [])
    assert ok(alias(owner, "x", "ann")) == {
        "user_id": "anon_x",
        "linked_to": "ann",
        "person_id": "ann",
        "linked": True,
    }
    assert matching(owner, did("visited", 2)) == ["ann"]
    track(owner, ("anon_x", "visited"))
    assert matching(owner, did("visited", 3)) == ["ann"]
    compute(owner, segment["id"])
    members = ok(owner.server.get(f"/api/segments/{segment['id']}/members/"))["results"]
    assert [member["user_id"] for member in members] == ["ann"]
    for user_id in ("ann", "anon_x"):
        assert segment_ids(owner, user_id) == [segment["id"]]
        assert person_of(owner, user_id) == ("ann", 3)
        shown = ok(owner.server.get(f"/api/explorer/users/{user_id}/segments/"))
        assert [each["segment_id"] for each in shown] == [segment["id"]]
    # The same ids in another tenant are two users.
    assert matching(stranger, did("visited", 2)) == []
    assert person_of(stranger, "anon_x") == ("anon_x", 1)


def test_the_first_link_wins_and_a_merge_overrides(owner: Account) -> None:
    track(owner, ("anon_x", "visited"), ("ann", "visited"), ("bob", "visited"))
    ok(alias(owner, "x", "ann"))
    kept = {"user_id": "anon_x", "linked_to": "ann", "person_id": "ann", "linked": False}
    assert ok(alias(owner, "x", "bob")) == kept
    assert matching(owner, did("visited", 2)) == ["ann"]
    assert ok(merge(owner, "anon_x", "bob"))["linked"] is True
    assert matching(owner, did("visited", 2)) == ["bob"]
    assert ok(merge(owner, "bob", "ann"))["person_id"] == "ann"
    assert matching(owner, did("visited", 3)) == ["ann"]
    # The other way round: bob stands for all of them.
    assert ok(merge(owner, "ann", "bob"))["person_id"] == "bob"
    assert matching(owner, did("visited", 3)) == ["bob"]
    assert "already" in ok(alias_of(owner, "bob"), 409)["detail"]


def alias_of(account: Account, user_id: str) -> httpx.Response:
    """An alias of the visitor to whom the user was merged, for that user."""
    ok(merge(account, user_id, "anon_other"))
    return alias(account, "other", user_id)


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("alias", {}, {"anonymous_id", "user_id"}),
        ("alias", {"anonymous_id": "a" * 252, "user_id": "a\n"}, {"anonymous_id", "user_id"}),
        ("alias", {"anonymous_id": "a", "user_id": "anon_a"}, {"user_id"}),
        ("merge", {"from_user_id": "", "into_user_id": None}, {"from_user_id", "into_user_id"}),
        ("merge", {"from_user_id": "u", "into_user_id": "u"}, {"into_user_id"}),
    ],
)
def test_every_wrong_field_is_named(owner: Account, path: str, body: object, fields: set[str]) -> None:
    assert wrong(owner.server.post(f"/api/identity/{path}/", json=body)).keys() == fields


def test_a_session_that_later_names_its_user_links_the_two(url: str, owner: Account) -> None:
    key = new_public_key(owner)
    with session(url, key, anonymous_id="v") as visitor:
        ok(visitor.post("/api/ingestion/track/", json={"event_type": "visited"}), 202)
    with session(url, key, user_id="ann", anonymous_id="v") as user:
        ok(user.post("/api/ingestion/track/", json={"event_type": "visited"}), 202)
    wait_for(lambda: matching(owner, did("visited", 2)) == ["ann"])
    # The first one: a device that somebody else uses next does not take the history along.
    assert ask(url, key, {"user_id": "bob", "anonymous_id": "v"}).status_code == 200
    assert matching(owner, did("visited", 2)) == ["ann"]


def test_a_session_that_is_refused_links_nobody(url: str, owner: Account) -> None:
    track(owner, ("anon_v", "visited"), ("ann", "visited"))
    signed = new_public_key(owner, require_signed_user_id=True)
    bound = new_public_key(owner, allowed_origins=["https://shop.example.com"])
    body = {"user_id": "ann", "anonymous_id": "v"}
    assert ask(url, signed, body).status_code == 403
    assert ask(url, signed, body | {"user_id_sig": "00" * 32, "user_id_ts": int(time.time())}).status_code == 403
    assert ask(url, bound, body, origin="https://evil.example.com").status_code == 403
    assert matching(owner, did("visited", 2)) == []
    now = int(time.time())
    secret = bytes.fromhex(signed["hmac_secret"])
    signature = hmac.new(secret, f"ann|{now}".encode(), hashlib.sha256).hexdigest()
    assert ask(url, signed, body | {"user_id_sig": signature, "user_id_ts": now}).status_code == 200
    assert matching(owner, did("visited", 2)) == ["ann"]


def test_a_visitor_who_cannot_be_linked_gets_no_session_and_no_event_is_taken(
    url: str, owner: Account, platform: Running
) -> None:
    key = new_public_key(owner)
    body = {"user_id": "ann", "anonymous_id": "v"}
    call = {"type": "identify", "userId": "ann", "anonymousId": "w"}
    profiles = next(process for process in platform.family() if "services.profiles" in process.cmdline())
    profiles.suspend()
    try:
        with ThreadPoolExecutor() as pool:
            asked = [pool.submit(ask, url, key, body), pool.submit(segment_call, url, owner, call)]
            refused = [each.result() for each in asked]
    finally:
        profiles.resume()
    assert [answer.status_code for answer in refused] == [503, 503]
    assert all("retry-after" in answer.headers for answer in refused)
    assert ask(url, key, body).status_code == 200
    assert segment_call(url, owner, call).status_code == 200
    wait_for(lambda: seen(owner) == 1)
    track(owner, ("anon_v", "visited"), ("anon_w", "visited"))
    assert matching(owner, did("visited", 2)) == ["ann"]
    assert seen(owner) == 3


def segment_call(url: str, account: Account, call: Mapping[str, object]) -> httpx.Response:
    return httpx.post(f"{url}/v1/batch", json={"batch": [call]}, auth=(account.key, ""), timeout=30, verify=False)


def test_segments_identify_and_alias_link_the_visitor(url: str, owner: Account) -> None:
    given_up: list[object] = []
    library = segment.analytics.client.Client(
        owner.key, host=url, upload_interval=0.05, on_error=lambda error, _: given_up.append(error)
    )
    library.track(event="visited", anonymous_id="one")
    library.track(event="visited", anonymous_id="two")
    library.identify("ann", {"plan": "pro"}, anonymous_id="one")
    library.alias("two", "ann")
    # The first link stays, and what is no id links nobody.
    library.identify("bob", {}, anonymous_id="one")
    library.identify("bob", {}, anonymous_id="v" * 252)
    library.identify("bob", {})
    library.shutdown()
    assert given_up == []
    wait_for(lambda: matching(owner, did("visited", 2)) == ["ann"])
    plan = {"type": "user_property", "property": "plan", "operator": "eq", "value": "pro"}
    assert matching(owner, {"logic": "AND", "conditions": [plan]}) == ["ann"]
    assert person_of(owner, "anon_two")[0] == "ann"


def test_an_invalid_call_links_nobody(url: str, owner: Account) -> None:
    track(owner, ("anon_one", "visited"), ("ann", "visited"))
    call = {"type": "identify", "userId": "ann", "anonymousId": "one", "traits": []}
    bad = {**call, "traits": 7}
    assert ok(segment_call(url, owner, bad))["skipped"] == 1
    assert matching(owner, did("visited", 2)) == []
    assert ok(segment_call(url, owner, call))["queued"] == 1
    assert matching(owner, did("visited", 2)) == ["ann"]


def test_segops_admin_links(url: str, owner: Account) -> None:
    track(owner, ("anon_x", "visited"), ("ann", "visited"), ("bob", "visited"))
    admin = SegOpsAdmin(api_key=owner.key, base_url=f"{url}/api", max_retries=0)
    assert admin.identity.alias("x", "ann")["linked"] is True
    assert admin.identity.alias("x", "bob")["linked_to"] == "ann"
    assert admin.identity.merge("anon_x", "bob")["person_id"] == "bob"
    assert matching(owner, did("visited", 2)) == ["bob"]
    with pytest.raises(SegOpsApiError):
        admin.identity.merge("ann", "ann")
