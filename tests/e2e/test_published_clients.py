"""The published clients `segops` and `segops_admin` work against the edge, unmodified."""

import importlib.metadata
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import segops
import segops_admin
from segops_admin import SegOpsAdmin, SegOpsApiError

from tests.e2e.account import Account
from tests.running import wait_for


@pytest.fixture
def admin(url: str, owner: Account) -> SegOpsAdmin:
    return SegOpsAdmin(api_key=owner.key, base_url=f"{url}/api", max_retries=0)


@pytest.fixture
def bought(url: str, owner: Account, admin: SegOpsAdmin) -> dict[str, Any]:
    """A definition that Alice and Bob match."""
    with segops.SegOpsClient(url, owner.key) as client:
        for user_id in ("alice", "bob"):
            client.track(user_id=user_id, event_type="bought")
    wait_for(lambda: admin.users.search()["count"] == 2, 5)
    condition = {"type": "event_count", "event_type": "bought", "operator": "gte", "value": 1}
    return {"logic": "AND", "conditions": [condition]}


def test_they_are_the_published_ones() -> None:
    assert importlib.metadata.version("segops") == "0.2.2"
    assert importlib.metadata.version("segops_admin") == "0.2.2"
    for module in (segops, segops_admin):
        assert "site-packages" in str(module.__file__)


@pytest.mark.parametrize("batch", [True, False])
def test_segops_sends_events_and_traits(url: str, owner: Account, admin: SegOpsAdmin, batch: bool) -> None:
    errors: list[BaseException] = []
    with segops.SegOpsClient(url, owner.key, batch=batch, batch_size=3, on_error=errors.append) as client:
        for total in (20, 30):
            client.track(user_id="alice@example.com", event_type="order_placed", payload={"total": total})
        client.track(segops.Event(user_id="bob/7", event_type="page_viewed", payload={"path": "/"}))
        client.identify(user_id="alice@example.com", traits={"plan": "pro", "name": "Älice"})
    assert errors == []
    wait_for(lambda: admin.users.search({"q": ""})["count"] == 2, 5)
    wait_for(lambda: admin.users.get("alice@example.com")["event_count"] == 3, 5)
    assert admin.users.get("alice@example.com")["properties"] == {"plan": "pro", "name": "Älice"}
    assert admin.users.get("bob/7")["event_type_count"] == 1


def test_segops_is_told_of_a_wrong_key(url: str) -> None:
    errors: list[BaseException] = []
    client = segops.SegOpsClient(url, "sk_live_wrong", batch=False, on_error=errors.append)
    client.track(user_id="a", event_type="b")
    assert "401" in str(errors)


def public_key(owner: Account, **fields: object) -> dict[str, Any]:
    """A new public key of the tenant."""
    body = {"name": "web", "key_type": "public", **fields}
    created: dict[str, Any] = owner.person.post("/api/auth/api-keys/", json=body).json()
    return created


def send(url: str, key: dict[str, Any], visitor: segops.UserContext, *, batch: bool = False) -> list[BaseException]:
    """Tracks and identifies as the page of a visitor does; what went wrong."""
    errors: list[BaseException] = []
    with segops.SegOpsClient(url, key["key"], get_user=lambda: visitor, batch=batch, on_error=errors.append) as client:
        client.track(user_id="whoever", event_type="page_viewed", payload={"path": "/"})
        client.identify(user_id="whoever", traits={"plan": "pro"})
    return errors


@pytest.mark.parametrize("batch", [True, False])
def test_segops_sends_what_visitors_do_with_a_public_key(
    url: str, owner: Account, admin: SegOpsAdmin, batch: bool
) -> None:
    key = public_key(owner)
    for visitor in (segops.UserContext(user_id="alice"), segops.UserContext(anonymous_id="tab-1")):
        assert send(url, key, visitor, batch=batch) == []
    wait_for(lambda: sent_by(admin) == {"alice": 2, "anon_tab-1": 2}, 5)
    for user_id in ("alice", "anon_tab-1"):
        wait_for(partial(has_traits, admin, user_id, {"plan": "pro"}), 5)
    assert "400" in str(send(url, key, segops.UserContext()))


def sent_by(admin: SegOpsAdmin) -> dict[str, int]:
    """How many events there are of each user."""
    return {user["user_id"]: user["event_count"] for user in admin.users.search()["results"]}


def has_traits(admin: SegOpsAdmin, user_id: str, traits: dict[str, Any]) -> bool:
    """Whether a user has exactly these properties."""
    return bool(admin.users.get(user_id)["properties"] == traits)


def test_segops_signs_the_user_ids_that_a_key_requires(url: str, owner: Account, admin: SegOpsAdmin) -> None:
    key = public_key(owner, require_signed_user_id=True)
    signed: dict[str, Any] = segops.sign_user_id(key["hmac_secret"], "alice@example.com")
    assert send(url, key, segops.UserContext(**signed)) == []
    assert send(url, key, segops.UserContext(anonymous_id="tab-1")) == []
    assert "403" in str(send(url, key, segops.UserContext(user_id="alice@example.com")))
    wait_for(lambda: sent_by(admin) == {"alice@example.com": 2, "anon_tab-1": 2}, 5)


def test_segops_is_refused_where_a_key_may_not_be_used(url: str, owner: Account) -> None:
    key = public_key(owner, allowed_origins=["https://shop.example.com"])
    assert "403" in str(send(url, key, segops.UserContext(user_id="alice")))


def test_segops_opens_another_session_until_its_key_is_revoked(url: str, owner: Account) -> None:
    key, errors = public_key(owner), list[BaseException]()
    with segops.SegOpsClient(url, key["key"], batch=False, on_error=errors.append) as client:

        def failed() -> bool:
            client.track(user_id="whoever", event_type="page_viewed")
            return bool(errors)

        assert not failed()
        client.reset_session()
        assert not failed()
        owner.person.delete(f"/api/auth/api-keys/{key['id']}/")
        wait_for(failed, 1.0)
    assert "401" in str(errors)


def test_segops_admin_does_all_a_segment_needs(url: str, owner: Account, admin: SegOpsAdmin) -> None:
    with segops.SegOpsClient(url, owner.key) as client:
        for number in range(5):
            client.track(user_id=f"user-{number}", event_type="order_placed", payload={"total": 100 * number})
    wait_for(lambda: admin.users.search()["count"] == 5, 5)
    definition = {
        "logic": "AND",
        "conditions": [
            {"type": "monetary", "event_type": "order_placed", "property": "total", "metric": "sum", "operator": "gte",
             "value": 300}
        ],
    }  # fmt: skip
    preview = admin.segments.preview(definition)
    assert (preview["matched_users"], preview["sample_user_ids"]) == (2, ["user-3", "user-4"])
    assert "SELECT" in preview["sql"]
    created = admin.segments.create({"name": "Spenders", "definition": definition})
    assert admin.segments.get(created["id"]) == created
    assert admin.segments.recompute(created["id"]) == {"status": "queued"}
    wait_for(lambda: admin.segments.get(created["id"])["status"] == "computed")
    members = admin.segments.members(created["id"], {"limit": 1})
    assert [member["user_id"] for member in members["results"]] == ["user-3"]
    rest = admin.segments.members(created["id"], {"limit": 1, "cursor": members["next_cursor"]})
    assert [member["user_id"] for member in rest["results"]] == ["user-4"]
    assert rest["next_cursor"] is None
    mine = admin.segments.membership("user-4")["segments"]
    assert [(item["segment_id"], item["segment_name"]) for item in mine] == [(created["id"], "Spenders")]
    assert [item["segment_id"] for item in admin.users.segments("user-4")] == [created["id"]]
    renamed = admin.segments.update(created["id"], {"name": "Big spenders"})
    assert renamed["name"] == "Big spenders"
    replaced = admin.segments.update(created["id"], {"name": "Others", "definition": definition}, method="PUT")
    assert replaced["version"] == 1
    admin.segments.delete(created["id"])
    with pytest.raises(SegOpsApiError) as error:
        admin.segments.get(created["id"])
    assert error.value.status == 404


def test_segops_admin_estimates_exports_and_reads_versions(
    url: str, owner: Account, admin: SegOpsAdmin, bought: dict[str, Any]
) -> None:
    segment = admin.segments.create({"name": "Buyers", "definition": bought})
    assert admin.segments.estimate(segment["id"])["estimated_users"] == 2
    admin.segments.update(segment["id"], {"definition": {**bought, "logic": "OR"}})
    versions = admin.segments.versions(segment["id"])
    assert [item["version"] for item in versions["results"]] == [2, 1]
    assert versions["results"][1]["definition"] == bought
    admin.segments.recompute(segment["id"])
    wait_for(lambda: admin.segments.get(segment["id"])["status"] == "computed")
    for file_format in ("csv", "parquet"):
        queued = admin.segments.export(segment["id"], format=file_format)
        assert (queued["status"], queued["export_id"]) == ("pending", queued["id"])
        done = wait_for(partial(finished_export, admin, queued["id"], f"/segments/{segment['id']}/export/"))
        assert (done["status"], done["format"], done["row_count"], done["error"]) == ("complete", file_format, 2, None)
        content = owner.server.get(done["download_url"]).content
        if file_format == "csv":
            assert [line.split(b",")[0] for line in content.splitlines()] == [b"user_id", b"alice", b"bob"]
        else:
            assert content.startswith(b"PAR1")


def finished_export(admin: SegOpsAdmin, export_id: int, path: str) -> dict[str, Any] | None:
    """The export when it is done."""
    job: dict[str, Any] = admin.http.request("GET", path, query={"export_id": export_id})
    return None if job["status"] in ("pending", "running") else job


def test_the_command_line_of_segops_admin_works(
    url: str, owner: Account, admin: SegOpsAdmin, bought: dict[str, Any], tmp_path: Path
) -> None:
    def run(*arguments: object) -> Any:
        ended = subprocess.run(
            [Path(sys.executable).with_name("segops-admin"), "segments", *map(str, arguments)],
            env=os.environ | {"SEGOPS_API_KEY": owner.key, "SEGOPS_API_URL": f"{url}/api"},
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(ended.stdout) if ended.returncode == 0 else ended.stderr

    body = tmp_path / "segment.json"
    body.write_text(json.dumps({"name": "Buyers", "definition": bought}))
    segment_id = run("create", body)["id"]
    assert [segment["id"] for segment in run("list", "--search", "buy")["results"]] == [segment_id]
    assert run("recompute", segment_id) == {"status": "queued"}
    wait_for(lambda: admin.segments.get(segment_id)["status"] == "computed")
    assert run("get", segment_id)["member_count"] == 2
    assert [member["user_id"] for member in run("members", segment_id, "--limit=1")["results"]] == ["alice"]
    assert [entry["segment_id"] for entry in run("membership", "bob")["segments"]] == [segment_id]
    assert run("export", segment_id, "--format", "csv")["status"] == "pending"
    assert "API error 400" in run("export", segment_id, "--format", "xml")
    assert run("delete", segment_id) == {"ok": True}
    assert "API error 404" in run("get", segment_id)


def test_segops_admin_walks_all_pages(admin: SegOpsAdmin) -> None:
    for number in range(7):
        admin.segments.create({"name": f"Segment {number}"})
    assert admin.segments.list({"limit": 3})["count"] == 7
    walked = [segment["name"] for segment in admin.segments.iterate({"page_size": 3})]
    assert walked == [f"Segment {number}" for number in range(7)]
    assert [segment["name"] for segment in admin.segments.iterate({"search": "MENT 4"})] == ["Segment 4"]


def test_segops_admin_reads_users(url: str, owner: Account, admin: SegOpsAdmin) -> None:
    with segops.SegOpsClient(url, owner.key) as client:
        for day in range(1, 4):
            client.track(
                user_id="a b/c%41", event_type="seen", occurred_at=f"2026-01-0{day}T10:00:00.5Z", payload={"n": day}
            )
        client.track(user_id="a b/c%41", event_type="left", occurred_at="2026-01-05T10:00:00Z")
    wait_for(lambda: admin.users.search({"q": "b/c"})["count"] == 1, 5)
    events = admin.users.events("a b/c%41", {"event_type": "seen", "limit": 2})
    assert events["count"] == 3
    assert [event["payload"] for event in events["results"]] == [{"n": 3}, {"n": 2}]
    assert events["results"][0]["occurred_at"] == "2026-01-03T10:00:00.500Z"
    profile = admin.users.get("a b/c%41")
    assert (profile["event_count"], profile["event_type_count"]) == (4, 2)
    assert profile["last_seen"] == "2026-01-05T10:00:00Z"
    assert admin.users.segments("a b/c%41") == []
    with pytest.raises(SegOpsApiError) as error:
        admin.users.get("nobody")
    assert error.value.status == 404
