"""Registering, signing in, keys and roles, through the edge."""

import time

import httpx
import jwt
import pytest

from services.kit.keys import INTERNAL_KEY, private_key
from tests.e2e.account import PASSWORD, Account, client, new_key, new_slug
from tests.e2e.operating import signing_key
from tests.running import Running, wait_for


def test_a_person_registers_and_is_the_owner_of_the_tenant(owner: Account) -> None:
    me = owner.person.get("/api/auth/me/").json()
    tenant = {"id": owner.tenant_id, "slug": owner.slug, "name": owner.slug, "plan": "enterprise"}
    assert me == {
        "user": {"id": me["user"]["id"], "email": owner.email},
        "tenant": tenant,
        "role": "owner",
        "tenants": [tenant | {"role": "owner"}],
    }


def test_every_wrong_field_of_a_registration_is_named_at_once(http: httpx.Client) -> None:
    body = {"email": "nobody", "password": "short", "tenant_name": " ", "tenant_slug": "-Wrong-"}
    answer = http.post("/api/auth/register/", json=body)
    assert answer.status_code == 400
    assert set(answer.json()) == set(body)


@pytest.mark.parametrize("password", ["password123", "1234567890", "qwertyuiop", "aaaaaaaaaaaa"])
def test_a_common_password_is_refused(http: httpx.Client, password: str) -> None:
    slug = new_slug()
    body = {"email": f"{slug}@example.com", "password": password, "tenant_name": "T", "tenant_slug": slug}
    assert list(http.post("/api/auth/register/", json=body).json()) == ["password"]


def test_a_taken_email_and_slug_are_field_errors_whatever_the_case(http: httpx.Client, owner: Account) -> None:
    body = {"email": owner.email.upper(), "password": PASSWORD, "tenant_name": "T", "tenant_slug": owner.slug}
    answer = http.post("/api/auth/register/", json=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"email", "tenant_slug"}


def test_signing_in_gives_tokens_and_a_wrong_pair_says_no_more_than_that(http: httpx.Client, owner: Account) -> None:
    right = http.post("/api/auth/token/", json={"email": owner.email, "password": PASSWORD})
    assert right.status_code == 200
    assert set(right.json()) == {"access", "refresh"}
    wrong = http.post("/api/auth/token/", json={"email": owner.email, "password": "something else"})
    unknown = http.post("/api/auth/token/", json={"email": "nobody@example.com", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


def test_a_refresh_token_works_once_and_its_reuse_revokes_the_family(http: httpx.Client, owner: Account) -> None:
    second = http.post("/api/auth/token/refresh/", json={"refresh": owner.refresh})
    assert second.status_code == 200
    assert http.post("/api/auth/token/refresh/", json={"refresh": owner.refresh}).status_code == 401
    assert http.post("/api/auth/token/refresh/", json={"refresh": second.json()["refresh"]}).status_code == 401


def test_tokens_say_what_the_contract_names_and_verify_with_the_public_keys(http: httpx.Client, owner: Account) -> None:
    keys = jwt.PyJWKSet.from_dict(http.get("/.well-known/jwks.json").json())
    header = jwt.get_unverified_header(owner.access)
    assert header["alg"] == "EdDSA"
    claims = jwt.decode(owner.access, keys[header["kid"]], algorithms=["EdDSA"], audience="segops-api")
    assert {"iss", "aud", "sub", "exp", "iat", "jti", "typ"} <= set(claims)
    assert claims["typ"] == "access"
    assert claims["exp"] - claims["iat"] == 3600


def test_tokens_of_another_kind_key_algorithm_or_time_are_refused(
    http: httpx.Client, platform: Running, owner: Account
) -> None:
    claims = jwt.decode(owner.access, options={"verify_signature": False})
    kid = jwt.get_unverified_header(owner.access)["kid"]
    ours = signing_key(platform, kid)
    now = int(time.time())
    forged = {
        "a refresh token": owner.refresh,
        "another key": jwt.encode(claims, private_key(platform.settings, INTERNAL_KEY), "EdDSA", {"kid": kid}),
        "an unknown key id": jwt.encode(claims, ours, "EdDSA", {"kid": "nope"}),
        "a shared secret": jwt.encode(claims, "x" * 32, "HS256", {"kid": kid}),
        "no signature": jwt.encode(claims, "", "none", {"kid": kid}),
        "expired": jwt.encode(claims | {"exp": now - 1}, ours, "EdDSA", {"kid": kid}),
        "another issuer": jwt.encode(claims | {"iss": "other"}, ours, "EdDSA", {"kid": kid}),
        "another audience": jwt.encode(claims | {"aud": "segops-internal"}, ours, "EdDSA", {"kid": kid}),
    }
    for name, token in forged.items():
        assert http.get("/api/auth/me/", headers={"authorization": f"Bearer {token}"}).status_code == 401, name


def test_a_key_is_shown_once_and_revoked_within_a_second(platform: Running, url: str, owner: Account) -> None:
    created = new_key(owner.person)
    assert created["key"].startswith("sk_live_")
    assert created["key"].startswith(created["prefix"])
    listed = owner.person.get("/api/auth/api-keys/").json()["results"]
    assert created["key"] not in str(listed)
    assert created["id"] in [key["id"] for key in listed]
    with client(url, f"ApiKey {created['key']}") as server:
        assert server.get("/api/segments/").status_code == 200
        assert owner.person.delete(f"/api/auth/api-keys/{created['id']}/").status_code == 204
        wait_for(lambda: server.get("/api/segments/").status_code == 401, 1.0)
    assert owner.person.delete(f"/api/auth/api-keys/{created['id']}/").status_code == 404


def test_the_last_use_of_a_key_is_listed(owner: Account) -> None:
    assert owner.server.get("/api/segments/").status_code == 200
    wait_for(lambda: owner.person.get("/api/auth/api-keys/").json()["results"][-1]["last_used_at"], 15)


def test_a_key_of_another_tenant_is_not_there(url: str, owner: Account, stranger: Account) -> None:
    key = new_key(owner.person)
    assert stranger.person.delete(f"/api/auth/api-keys/{key['id']}/").status_code == 404
    assert stranger.person.get("/api/auth/me/", headers={"x-tenant-slug": owner.slug}).status_code == 403
    assert stranger.person.get("/api/auth/me/", headers={"x-tenant-slug": "no-such-tenant"}).status_code == 403


def test_a_secret_key_may_not_manage_keys(owner: Account) -> None:
    assert owner.server.get("/api/auth/api-keys/").status_code == 403
    assert owner.server.post("/api/auth/api-keys/", json={"name": "more"}).status_code == 403
    assert owner.server.get("/api/auth/me/").status_code == 403


def test_secrets_stay_out_of_the_logs(platform: Running, http: httpx.Client, owner: Account) -> None:
    http.post("/api/auth/token/", json={"email": owner.email, "password": "mistyped secret phrase"})
    http.get("/api/segments/", headers={"authorization": "ApiKey sk_live_leaked"})
    logs = "".join(path.read_text() for path in (platform.settings.home / "log").iterdir())
    for text in (PASSWORD, "mistyped secret phrase", owner.key, owner.access, owner.refresh, "sk_live_leaked"):
        assert text not in logs
