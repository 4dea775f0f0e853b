"""Public keys and the sessions opened with them: what a browser or app may do, and from where."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import jwt
import pytest
import segops

from edge.public_services import public_services
from edge.routes import RouteTable
from services.gen.segops.options.v1 import access_pb2
from services.kit.access import OPEN
from tests.e2e.account import Account, client, register
from tests.e2e.operating import signing_key
from tests.running import Running, wait_for

SHOP = "https://shop.example.com"
EVENT = {"event_type": "page_viewed", "payload": {"path": "/"}}
ROUTES = [
    (method, template.replace("{}", "1"), route.access)
    for method, template, route in RouteTable(public_services()).all()
    if route.access not in OPEN
]


@pytest.fixture(scope="module")
def tenant(url: str) -> Iterator[Account]:
    """One tenant for all tests here, each with users of its own."""
    with register(url) as account:
        yield account


def new_public_key(account: Account, **fields: object) -> dict[str, Any]:
    """A new public key of the tenant."""
    answer = account.person.post("/api/auth/api-keys/", json={"name": "web", "key_type": "public", **fields})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


@pytest.fixture(scope="module")
def key(tenant: Account) -> dict[str, Any]:
    """A public key that any caller may use."""
    return new_public_key(tenant)


def ask(url: str, key: dict[str, Any], body: object, **headers: str) -> httpx.Response:
    """The answer to a request for a session."""
    return httpx.post(
        f"{url}/api/auth/session/",
        json=body,
        headers={"authorization": f"ApiKey {key['key']}", **headers},
        timeout=30,
        verify=False,
    )


@contextmanager
def session(url: str, key: dict[str, Any], **body: object) -> Iterator[httpx.Client]:
    """A client with the token of a new session."""
    answer = ask(url, key, body)
    assert answer.status_code == 200, answer.text
    with client(url, f"Bearer {answer.json()['token']}") as visitor:
        yield visitor


@pytest.fixture(scope="module")
def visitor(url: str, key: dict[str, Any]) -> Iterator[httpx.Client]:
    """A client in a session."""
    with session(url, key, user_id="visitor") as visitor:
        yield visitor


def test_what_signs_is_shown_once_and_what_limits_a_key_is_listed(tenant: Account) -> None:
    created = new_public_key(tenant, allowed_origins=["HTTPS://Shop.Example.com:443"], require_signed_user_id=True)
    assert created["key"].startswith("pk_live_")
    assert created["key"].startswith(created["prefix"])
    assert len(bytes.fromhex(created["hmac_secret"])) == 32
    listed = tenant.person.get("/api/auth/api-keys/").json()["results"]
    assert created["hmac_secret"] not in str(listed)
    assert created["key"] not in str(listed)
    shown = {name: value for name, value in created.items() if name not in ("key", "hmac_secret")}
    assert shown in listed
    assert (shown["allowed_origins"], shown["require_signed_user_id"]) == ([SHOP], True)


def test_a_secret_key_takes_nothing_of_a_public_one_and_every_wrong_field_is_named(tenant: Account) -> None:
    def refused(**fields: object) -> dict[str, list[str]]:
        answer = tenant.person.post("/api/auth/api-keys/", json={"name": "k", **fields})
        assert answer.status_code == 400
        wrong: dict[str, list[str]] = answer.json()
        return wrong

    assert set(refused(allowed_origins=[SHOP], require_signed_user_id=True)) == {
        "allowed_origins",
        "require_signed_user_id",
    }
    wrong = refused(name="", key_type="public", allowed_origins=[SHOP, "https://shop.example.com/path", "*"])
    assert set(wrong) == {"name", "allowed_origins"}
    assert [text.partition(":")[0] for text in wrong["allowed_origins"]] == ["[1]", "[2]"]
    assert set(refused(key_type="master")) == {"key_type"}
    created = tenant.person.post("/api/auth/api-keys/", json={"name": "k", "key_type": "secret"}).json()
    assert (created["hmac_secret"], created["allowed_origins"], created["require_signed_user_id"]) == (None, [], False)


@pytest.mark.parametrize(
    ("body", "uid"),
    [
        ({"user_id": "alice"}, "alice"),
        ({"anonymous_id": "x-1"}, "anon_x-1"),
        ({"user_id": "alice", "anonymous_id": "x-1"}, "alice"),
        ({"user_id": "", "anonymous_id": "x-1"}, "anon_x-1"),
        ({"anonymous_id": "a" * 251}, "anon_" + "a" * 251),
    ],
)
def test_a_session_names_its_user_and_holds_for_fifteen_minutes(
    url: str, key: dict[str, Any], body: object, uid: str
) -> None:
    started = int(time.time())
    answer = ask(url, key, body)
    assert answer.status_code == 200
    opened = answer.json()
    assert set(opened) == {"token", "expires_at", "uid"}
    assert opened["uid"] == uid
    claims = jwt.decode(opened["token"], options={"verify_signature": False})
    assert {"iss", "aud", "sub", "exp", "iat", "jti", "typ"} <= set(claims)
    assert (claims["typ"], claims["exp"] - claims["iat"]) == ("session", 900)
    assert started + 900 <= claims["exp"] <= time.time() + 900
    assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(claims["exp"])) == opened["expires_at"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"detail"}),
        ({"user_id": None, "anonymous_id": ""}, {"detail"}),
        ({"user_id": 7, "anonymous_id": []}, {"user_id", "anonymous_id"}),
        ({"user_id": "a" * 257}, {"user_id"}),
        ({"anonymous_id": "a" * 252}, {"anonymous_id"}),
        ({"user_id": "a\n"}, {"user_id"}),
        ({"user_id": "a", "user_id_sig": 1, "user_id_ts": 1.5}, {"user_id_sig", "user_id_ts"}),
    ],
)
def test_what_is_no_visitor_is_refused(url: str, key: dict[str, Any], body: object, fields: set[str]) -> None:
    answer = ask(url, key, body)
    assert answer.status_code == 400
    assert set(answer.json()) == fields


def test_a_key_with_origins_is_refused_elsewhere_and_without_one(url: str, tenant: Account) -> None:
    limited = new_public_key(tenant, allowed_origins=[SHOP, "https://*.example.org"])
    for origin in (SHOP, "https://a.example.org"):
        assert ask(url, limited, {"user_id": "a"}, origin=origin).status_code == 200
    for origin in ("https://evil.example.com", "https://a.b.example.org", "http://shop.example.com", "null"):
        assert ask(url, limited, {"user_id": "a"}, origin=origin).status_code == 403
    assert ask(url, limited, {"user_id": "a"}).status_code == 403


@pytest.mark.parametrize("required", [True, False])
def test_a_signature_that_is_sent_is_checked_and_a_key_may_require_one(
    url: str, tenant: Account, required: bool
) -> None:
    made = new_public_key(tenant, require_signed_user_id=required)
    secret, now = made["hmac_secret"], int(time.time())
    signed = segops.sign_user_id(secret, "alice")
    signature, signed_at = signed["user_id_sig"], signed["user_id_ts"]
    good: list[dict[str, object]] = [{**signed}, {**signed, "user_id_ts": str(signed_at)}, {"anonymous_id": "x"}]
    bad: list[dict[str, object]] = [
        {**signed, "user_id": "bob"},
        {**signed, "user_id_ts": now - 1},
        {**signed, "user_id_ts": "soon"},
        {"user_id": "alice", "user_id_sig": signature},
        {"user_id": "alice", "user_id_sig": ""},
        {"anonymous_id": "x", "user_id_sig": signature, "user_id_ts": signed_at},
        {**segops.sign_user_id(secret, "alice", now - 400)},
        {**segops.sign_user_id(secret, "alice", now + 400)},
        {**segops.sign_user_id("00" * 32, "alice")},
    ]
    assert [ask(url, made, body).status_code for body in good] == [200] * len(good)
    assert [ask(url, made, body).status_code for body in bad] == [403] * len(bad)
    assert ask(url, made, {"user_id": "alice"}).status_code == (403 if required else 200)


def test_events_of_a_session_are_its_users_whatever_they_say(url: str, tenant: Account, key: dict[str, Any]) -> None:
    with session(url, key, anonymous_id="visitor-1") as visitor:
        for stated in ({"user_id": "admin"}, {"user_id": 5}, {}):
            assert visitor.post("/api/ingestion/track/", json={**EVENT, **stated}).status_code == 202
        batch = [{**EVENT, "user_id": "admin"}, EVENT, {**EVENT, "user_id": "x" * 999}]
        assert visitor.post("/api/ingestion/track/batch/", json={"events": batch}).json()["queued"] == 3
    users = tenant.server.get
    wait_for(lambda: users("/api/explorer/users/anon_visitor-1/").json().get("event_count") == 6)
    assert users("/api/explorer/users/admin/").status_code == 404


def test_a_visitor_cannot_keep_out_an_event_by_taking_its_message_id(
    url: str, tenant: Account, key: dict[str, Any]
) -> None:
    event = {"user_id": "buyer", "event_type": "paid", "message_id": "order-17"}
    for visitor_id in ("first", "second"):
        with session(url, key, anonymous_id=visitor_id) as visitor:
            answers = [visitor.post("/api/ingestion/track/", json=event).json() for _ in range(2)]
        assert [answer["duplicate"] for answer in answers] == [False, True]
    assert tenant.server.post("/api/ingestion/track/", json=event).json()["duplicate"] is False


def test_the_largest_user_id_can_send(url: str, tenant: Account, key: dict[str, Any]) -> None:
    uid = "👩" * 256
    with session(url, key, user_id=uid) as visitor:
        assert [visitor.post("/api/ingestion/track/", json=EVENT).status_code for _ in range(20)] == [202] * 20
    wait_for(lambda: tenant.server.get(f"/api/explorer/users/{uid}/").status_code == 200)


@pytest.mark.parametrize(("method", "path", "access"), ROUTES, ids=[f"{row[0]} {row[1]}" for row in ROUTES])
def test_a_public_key_and_a_session_may_one_thing_each(
    url: str, tenant: Account, key: dict[str, Any], visitor: httpx.Client, method: str, path: str, access: int
) -> None:
    body: Any = {} if method in ("POST", "PUT", "PATCH") else None
    of_key = httpx.request(
        method, url + path, json=body, headers={"authorization": f"ApiKey {key['key']}"}, verify=False
    )
    of_session = visitor.request(method, path, json=body)
    assert of_key.status_code == (400 if access == access_pb2.ACCESS_SESSION else 403)
    assert of_session.status_code == (400 if access == access_pb2.ACCESS_TRACK else 403)
    if access == access_pb2.ACCESS_SESSION:
        assert [caller.post(path, json=body).status_code for caller in (tenant.person, tenant.server)] == [403, 403]


def test_revoking_a_public_key_ends_its_sessions_within_a_second(url: str, tenant: Account) -> None:
    revoked, other = new_public_key(tenant), new_public_key(tenant)
    with session(url, revoked, user_id="a") as ended, session(url, other, user_id="a") as going_on:
        for visitor in (ended, going_on):
            assert visitor.post("/api/ingestion/track/", json=EVENT).status_code == 202
        assert tenant.person.delete(f"/api/auth/api-keys/{revoked['id']}/").status_code == 204
        wait_for(lambda: ended.post("/api/ingestion/track/", json=EVENT).status_code == 401, 1.0)
        assert going_on.post("/api/ingestion/track/", json=EVENT).status_code == 202
        assert ask(url, revoked, {"user_id": "a"}).status_code == 401


def test_a_session_token_of_another_kind_time_or_key_is_refused(
    url: str, platform: Running, key: dict[str, Any]
) -> None:
    token = ask(url, key, {"user_id": "1"}).json()["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    ours = signing_key(platform, kid)
    for changed in ({"exp": int(time.time()) - 1}, {"typ": "refresh"}, {"aud": "segops-internal"}, {"key": 0}):
        with client(url, f"Bearer {jwt.encode(claims | changed, ours, 'EdDSA', {'kid': kid})}") as forged:
            assert forged.post("/api/ingestion/track/", json=EVENT).status_code == 401
    with client(url, f"Bearer {token}") as visitor:
        assert visitor.post("/api/auth/token/refresh/", json={"refresh": token}).status_code == 401


def test_a_key_is_also_taken_as_the_user_name_of_basic_authentication(
    http: httpx.Client, tenant: Account, key: dict[str, Any]
) -> None:
    for password in ("", "ignored"):
        assert http.get("/api/segments/", auth=(tenant.key, password)).status_code == 200
        assert http.post("/api/auth/session/", json={"user_id": "a"}, auth=(key["key"], password)).status_code == 200
    assert http.get("/api/segments/", auth=(key["key"], "")).status_code == 403
    assert http.get("/api/segments/", auth=("sk_live_wrong", "")).status_code == 401
    assert http.get("/api/segments/", auth=("", tenant.key)).status_code == 401
