"""What a client of the connectors API gets, under both of its names, and what its destinations get."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from segops_admin import SegOpsAdmin, SegOpsApiError

from tests.e2e.account import Account
from tests.e2e.test_segments import compute, create, did, ok, wrong
from tests.running import wait_for
from tests.standins.server import serving
from tests.standins.talonone import TalonOne

AUDIENCE = 7
WHOLE_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NAMES = ["/api/activations/", "/api/connectors/"]


@pytest.fixture
def talon() -> Iterator[TalonOne]:
    """Where the audience goes."""
    with serving(TalonOne(AUDIENCE, key="the-key-of-the-tool")) as talon:
        yield talon


@pytest.fixture
def buyers(owner: Account) -> int:
    """A segment of all who bought; its id."""
    return int(create(owner, name="Buyers", definition=did("bought"))["id"])


@pytest.fixture
def admin(url: str, owner: Account) -> SegOpsAdmin:
    return SegOpsAdmin(api_key=owner.key, base_url=f"{url}/api", max_retries=0)


def sending(segment: int, talon: TalonOne) -> dict[str, Any]:
    """The body of a new connector."""
    config = {"base_url": talon.url, "api_key": talon.key, "audience_id": AUDIENCE}
    return {"segment": segment, "connector_type": "talonone", "config": config}


def track(owner: Account, *user_ids: str) -> None:
    """Events of users who bought, in the warehouse."""
    seen = owner.server.get("/api/explorer/users/").json()["count"]
    events = [{"user_id": user_id, "event_type": "bought"} for user_id in user_ids]
    ok(owner.server.post("/api/ingestion/track/batch/", json={"events": events}), 202)
    wait_for(lambda: owner.server.get("/api/explorer/users/").json()["count"] == seen + len(user_ids))


def test_segops_admin_does_all_a_connector_needs(
    owner: Account, admin: SegOpsAdmin, talon: TalonOne, buyers: int
) -> None:
    track(owner, "ann", "bob")
    compute(owner, buyers)
    body = sending(buyers, talon)
    created = admin.activations.create(body)
    assert created == {
        "id": created["id"],
        "segment": buyers,
        "segment_name": "Buyers",
        "connector_type": "talonone",
        "config": body["config"] | {"api_key": "***"},
        "status": "inactive",
        "last_synced_at": None,
        "last_error": None,
        "created_at": created["created_at"],
        "updated_at": created["created_at"],
    }
    assert WHOLE_SECONDS.fullmatch(created["created_at"])
    assert admin.activations.get(created["id"]) == created
    assert admin.activations.list() == {"count": 1, "next": None, "previous": None, "results": [created]}
    assert admin.activations.sync(created["id"]) == {"status": "queued"}
    synced = wait_for(lambda: _synced(admin, created["id"]))
    assert (synced["status"], synced["last_error"], talon.audiences[AUDIENCE]) == ("inactive", None, {"ann", "bob"})
    assert admin.activations.update(created["id"], {"status": "active"})["status"] == "active"
    admin.activations.delete(created["id"])
    with pytest.raises(SegOpsApiError) as raised:
        admin.activations.get(created["id"])
    assert (raised.value.status, raised.value.body) == (404, {"detail": "Not found."})


def _synced(admin: SegOpsAdmin, connector_id: int) -> dict[str, Any] | None:
    """A connector once it was synced."""
    connector: dict[str, Any] = admin.activations.get(connector_id)
    return connector if connector["last_synced_at"] else None


@pytest.mark.parametrize("path", NAMES)
def test_an_active_connector_sends_what_each_compute_changed(
    owner: Account, talon: TalonOne, buyers: int, path: str
) -> None:
    connector = ok(owner.person.post(path, json=sending(buyers, talon)), 201)
    assert ok(owner.person.patch(f"{path}{connector['id']}/", json={"status": "active"}))["status"] == "active"
    track(owner, "ann", "bob")
    compute(owner, buyers)
    wait_for(lambda: talon.audiences[AUDIENCE] == {"ann", "bob"})
    track(owner, "cid")
    compute(owner, buyers)
    wait_for(lambda: talon.audiences[AUDIENCE] == {"ann", "bob", "cid"})
    logs = wait_for(lambda: _logs(owner, f"{path}{connector['id']}/logs/", 2))
    synced_at = logs[0].pop("synced_at")
    assert WHOLE_SECONDS.fullmatch(synced_at)
    success = {"status": "success", "removed": 0, "error_message": None, "attempt": 1}
    assert logs[0] == {**success, "added": 1, "user_count": 3}
    assert (logs[1]["added"], logs[1]["user_count"]) == (2, 2)
    page = ok(owner.person.get(f"{path}{connector['id']}/logs/?limit=1"))
    assert page["count"] == 2
    assert page["next"].endswith(f"{path}{connector['id']}/logs/?limit=1&offset=1")


def _logs(owner: Account, path: str, count: int) -> list[dict[str, Any]] | None:
    """The logs once there are so many."""
    page = ok(owner.person.get(path))
    return page["results"] if page["count"] == count else None


def test_both_names_are_the_same_thing(owner: Account, talon: TalonOne, buyers: int) -> None:
    compute(owner, buyers)
    made = ok(owner.server.post("/api/connectors/", json=sending(buyers, talon)), 201)
    for path in NAMES:
        for spelling in (path, path.rstrip("/")):
            assert ok(owner.server.get(spelling))["results"] == [made]
            assert ok(owner.server.get(f"{spelling.rstrip('/')}/{made['id']}")) == made
    for path in NAMES:
        assert ok(owner.server.post(f"{path}{made['id']}/sync/"), 202) == {"status": "queued"}
    assert owner.server.delete(f"/api/connectors/{made['id']}/").status_code == 204
    assert owner.server.get(f"/api/activations/{made['id']}/").json() == {"detail": "Not found."}


@pytest.mark.parametrize("path", NAMES)
def test_every_wrong_field_is_in_one_answer(owner: Account, buyers: int, path: str) -> None:
    required = ["This field is required."]
    assert wrong(owner.server.post(path, json={})) == {
        "segment": required,
        "connector_type": required,
        "config": required,
    }
    sent = {"segment": 2_000_000_000, "connector_type": "pigeon", "config": {"coop": 1}}
    assert wrong(owner.server.post(path, json=sent)) == {
        "segment": ["There is no segment 2000000000."],
        "connector_type": ["'pigeon' is not one of klaviyo, braze, talonone, webhook, file"],
    }
    sent = {
        "segment": buyers,
        "connector_type": "talonone",
        "config": {"api_key": "hush", "base_url": "ftp://x", "a": 1},
    }
    told = wrong(owner.server.post(path, json=sent))["config"]
    assert [text.partition(":")[0] for text in told] == ["base_url", "audience_id", "a"]
    assert "hush" not in str(told)
    for body in ({"segment": "first"}, {"connector_type": 5}, {"segment": [1]}):
        assert owner.server.post(path, json=body).status_code == 400
    assert wrong(owner.server.get(f"{path}?limit=0")).keys() == {"limit"}
    assert wrong(owner.server.get(f"{path}?limit=x")).keys() == {"limit"}


def test_a_private_address_is_refused_unless_the_operator_allows_it(owner: Account, buyers: int) -> None:
    def made(url: str) -> httpx.Response:
        body = {"segment": buyers, "connector_type": "webhook", "config": {"url": url}}
        return owner.server.post("/api/activations/", json=body)

    connector = ok(made("http://127.0.0.1:1/"), 201)
    for url in ("https://10.0.0.1/", "https://[::1]/", "http://8.8.8.8/", "https://u:p@example.com/"):
        (told,) = wrong(made(url))["config"]
        assert told.startswith("url: ")
        answer = owner.server.patch(f"/api/activations/{connector['id']}/", json={"config": {"url": url}})
        assert wrong(answer) == {"config": [told]}


def test_a_segment_that_was_never_computed_has_nothing_to_sync(owner: Account, talon: TalonOne, buyers: int) -> None:
    made = ok(owner.server.post("/api/activations/", json=sending(buyers, talon)), 201)
    answer = ok(owner.server.post(f"/api/activations/{made['id']}/sync/"), 400)
    assert answer == {"detail": "The segment has not been computed yet."}


def test_a_segment_that_a_connector_sends_cannot_be_deleted(owner: Account, talon: TalonOne, buyers: int) -> None:
    made = ok(owner.server.post("/api/activations/", json=sending(buyers, talon)), 201)
    refused = ok(owner.server.delete(f"/api/segments/{buyers}/"), 409)
    assert f"talonone (id {made['id']})" in refused["detail"]
    assert owner.server.delete(f"/api/activations/{made['id']}/").status_code == 204
    assert owner.server.delete(f"/api/segments/{buyers}/").status_code == 204


def test_a_connector_of_another_tenant_does_not_exist(
    owner: Account, stranger: Account, talon: TalonOne, buyers: int
) -> None:
    made = ok(owner.server.post("/api/activations/", json=sending(buyers, talon)), 201)

    def is_absent(answer: httpx.Response) -> bool:
        return (answer.status_code, answer.json()) == (404, {"detail": "Not found."})

    for path in NAMES:
        one = f"{path}{made['id']}/"
        assert is_absent(stranger.server.get(one))
        assert is_absent(stranger.server.patch(one, json={"status": "active"}))
        assert is_absent(stranger.server.post(f"{one}sync/"))
        assert is_absent(stranger.server.post(f"{one}verify/"))
        assert is_absent(stranger.server.get(f"{one}logs/"))
        assert is_absent(stranger.server.delete(one))
        assert ok(stranger.server.get(path))["count"] == 0
    assert wrong(stranger.server.post("/api/activations/", json=sending(buyers, talon))).keys() == {"segment"}
    assert ok(owner.server.get(f"/api/activations/{made['id']}/")) == made


def test_a_path_that_is_no_connectors_is_not_found_and_a_method_not_allowed(owner: Account) -> None:
    assert owner.server.get("/api/connectors/x/").status_code == 404
    answer = owner.server.put("/api/activations/1/", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, PATCH")
