"""Roles are stored and enforced: who may call what (contract 2.3), with people and keys made by segopsctl."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.account import PASSWORD, Account, client, new_slug
from tests.e2e.segopsctl import segopsctl
from tests.running import Running

SEGMENT = {"name": "A segment"}
EVENT = {"user_id": "a", "event_type": "b"}
# What a caller asks, and which of the callers may.
TABLE = [
    ("GET", "/api/auth/me/", None, {"owner", "admin", "member", "viewer"}),
    ("GET", "/api/auth/api-keys/", None, {"owner", "admin"}),
    ("POST", "/api/auth/api-keys/", {"name": "k"}, {"owner", "admin"}),
    ("DELETE", "/api/auth/api-keys/0/", None, {"owner", "admin"}),
    ("POST", "/api/auth/session/", {}, {"public"}),
    ("GET", "/api/segments/", None, {"owner", "admin", "member", "viewer", "key"}),
    ("POST", "/api/segments/", SEGMENT, {"owner", "admin", "member", "key"}),
    ("PATCH", "/api/segments/0/", SEGMENT, {"owner", "admin", "member", "key"}),
    ("DELETE", "/api/segments/0/", None, {"owner", "admin", "member", "key"}),
    ("POST", "/api/segments/0/compute/", None, {"owner", "admin", "member", "key"}),
    ("GET", "/api/activations/", None, {"owner", "admin", "member", "viewer", "key"}),
    ("GET", "/api/connectors/0/logs/", None, {"owner", "admin", "member", "viewer", "key"}),
    ("POST", "/api/activations/", {}, {"owner", "admin", "member", "key"}),
    ("PATCH", "/api/connectors/0/", {"status": "active"}, {"owner", "admin", "member", "key"}),
    ("DELETE", "/api/activations/0/", None, {"owner", "admin", "member", "key"}),
    ("POST", "/api/activations/0/sync/", None, {"owner", "admin", "member", "key"}),
    ("POST", "/api/connectors/0/verify/", None, {"owner", "admin", "member", "key"}),
    ("GET", "/api/webhooks/", None, {"owner", "admin", "member", "viewer", "key"}),
    ("POST", "/api/webhooks/", {}, {"owner", "admin", "member", "key"}),
    ("POST", "/api/ingestion/track/", EVENT, {"owner", "admin", "member", "key", "session"}),
    ("POST", "/api/ingestion/track/batch/", {}, {"owner", "admin", "member", "key", "session"}),
    ("GET", "/api/ingestion/stats/", None, {"owner", "admin", "member", "viewer", "key"}),
    ("GET", "/api/ingestion/errors/", None, {"owner", "admin", "member", "viewer", "key"}),
    ("GET", "/api/explorer/users/", None, {"owner", "admin", "member", "viewer", "key"}),
    ("GET", "/api/schemas/", None, {"owner", "admin", "member", "viewer", "key"}),
    ("POST", "/api/schemas/", {}, {"owner", "admin", "member", "key"}),
    ("DELETE", "/api/schemas/0/", None, {"owner", "admin", "member", "key"}),
    ("GET", "/api/integrations/shopify/", None, {"owner", "admin", "member", "viewer", "key"}),
    ("PUT", "/api/integrations/shopify/", {}, {"owner", "admin", "member", "key"}),
    ("POST", "/v1/batch", {}, {"owner", "admin", "member", "key"}),
    ("POST", "/v1/track", {}, {"owner", "admin", "member", "key"}),
]
CALLERS = ("owner", "admin", "member", "viewer", "key", "public", "session")


@pytest.fixture(scope="module")
def tenant(platform: Running) -> str:
    slug = new_slug()
    made = segopsctl(platform, "tenants", "create", slug, "--plan", "free", "--json")
    assert json.loads(made.stdout)["plan"] == "free"
    return slug


@pytest.fixture(scope="module")
def callers(platform: Running, url: str, tenant: str) -> Iterator[dict[str, httpx.Client]]:
    made = {}
    for role in ("owner", "admin", "member", "viewer"):
        email = f"{role}@{tenant}.example.com"
        arguments = ("users", "create", email, "--tenant", tenant, "--role", role, "--json")
        assert json.loads(segopsctl(platform, *arguments, password=PASSWORD).stdout)["role"] == role
        tokens = httpx.post(f"{url}/api/auth/token/", json={"email": email, "password": PASSWORD}).json()
        made[role] = client(url, f"Bearer {tokens['access']}")
    key = json.loads(segopsctl(platform, "keys", "create", tenant, "--json").stdout)["key"]
    made["key"] = client(url, f"ApiKey {key}")
    key = json.loads(segopsctl(platform, "keys", "create", tenant, "--public", "--json").stdout)["key"]
    made["public"] = client(url, f"ApiKey {key}")
    session = made["public"].post("/api/auth/session/", json={"user_id": "a"}).json()
    made["session"] = client(url, f"Bearer {session['token']}")
    yield made
    for caller in made.values():
        caller.close()


@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize(("method", "path", "body", "allowed"), TABLE, ids=[f"{row[0]} {row[1]}" for row in TABLE])
def test_a_role_may_what_the_table_says(
    callers: dict[str, httpx.Client], name: str, method: str, path: str, body: object, allowed: set[str]
) -> None:
    status = callers[name].request(method, path, json=body).status_code
    if name in allowed:
        assert status in (200, 201, 202, 400, 404)
    else:
        assert status == 403


def test_a_key_of_segopsctl_is_revoked_at_once(platform: Running, url: str, tenant: str) -> None:
    made = json.loads(segopsctl(platform, "keys", "create", tenant, "--json").stdout)
    with client(url, f"ApiKey {made['key']}") as server:
        assert server.get("/api/segments/").status_code == 200
        assert segopsctl(platform, "keys", "revoke", str(made["id"])).returncode == 0
        assert server.get("/api/segments/").status_code == 401
    assert segopsctl(platform, "keys", "revoke", str(made["id"])).returncode == 3


def test_segopsctl_makes_public_keys_with_their_limits(platform: Running, owner: Account) -> None:
    limits = ("--public", "--origin", "https://a.example.com", "--origin", "https://*.example.org", "--signed")
    made = json.loads(segopsctl(platform, "keys", "create", owner.slug, *limits, "--json").stdout)
    assert made["key"].startswith("pk_live_")
    assert len(made["hmac_secret"]) == 64
    (listed,) = [key for key in owner.person.get("/api/auth/api-keys/").json()["results"] if key["id"] == made["id"]]
    assert listed["allowed_origins"] == ["https://a.example.com", "https://*.example.org"]
    assert listed["require_signed_user_id"] is True
    refused = segopsctl(platform, "keys", "create", owner.slug, "--origin", "https://a.example.com")
    assert (refused.returncode, refused.stderr) == (1, "allowed_origins: Only a public key can have this.\n")


def test_segopsctl_says_what_is_wrong_in_words_and_exit_codes(platform: Running, owner: Account) -> None:
    refused = segopsctl(platform, "tenants", "create", owner.slug)
    assert (refused.returncode, refused.stderr) == (1, "slug: This slug is taken.\n")
    assert segopsctl(platform, "tenants", "set-plan", "no-such-tenant", "free").returncode == 3
    assert segopsctl(platform, "tenants", "explode").returncode == 2
    assert owner.slug in segopsctl(platform, "tenants", "list").stdout
