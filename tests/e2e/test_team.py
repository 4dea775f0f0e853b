"""Members and invitations, through the edge."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.e2e.account import PASSWORD, Account, client, new_slug
from tests.running import Running, wait_for


def invite(owner: Account, email: str = "", role: str = "member") -> dict[str, Any]:
    answer = owner.person.post(
        "/api/team/invitations/", json={"email": email or f"{new_slug()}@example.com", "role": role}
    )
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


@contextmanager
def joined(url: str, owner: Account, role: str = "member") -> Iterator[tuple[httpx.Client, dict[str, Any]]]:
    """Somebody new in the owner's tenant, and the tokens."""
    with client(url) as guest:
        answer = guest.post(
            "/api/team/invitations/accept/", json={"token": invite(owner, role=role)["token"], "password": PASSWORD}
        )
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    with client(url, f"Bearer {tokens['access']}") as person:
        yield person, tokens


def id_of(person: httpx.Client) -> int:
    user_id: int = person.get("/api/auth/me/").json()["user"]["id"]
    return user_id


def test_whoever_accepts_an_invitation_has_the_role_in_the_tenant(url: str, owner: Account) -> None:
    with joined(url, owner, "viewer") as (person, tokens):
        assert set(tokens) == {"access", "refresh"}
        me = person.get("/api/auth/me/").json()
        assert (me["tenant"]["slug"], me["role"]) == (owner.slug, "viewer")
        assert person.get("/api/segments/").status_code == 200
        assert person.post("/api/segments/", json={"name": "No"}).status_code == 403
        listed = owner.person.get("/api/team/members/").json()
        assert listed["count"] == 2
        assert [(member["email"], member["role"]) for member in listed["results"]] == [
            (owner.email, "owner"),
            (me["user"]["email"], "viewer"),
        ]
        assert set(listed["results"][1]) == {"id", "email", "role", "joined_at"}
        assert (
            owner.person.get("/api/team/members/?limit=1").json()["next"] == f"{url}/api/team/members/?limit=1&offset=1"
        )


def test_an_invitation_shows_its_token_once_and_lets_in_once(http: httpx.Client, owner: Account) -> None:
    created = invite(owner)
    assert set(created) == {"id", "email", "role", "created_at", "expires_at", "token"}
    listed = owner.person.get("/api/team/invitations/").json()
    assert listed["results"] == [{name: value for name, value in created.items() if name != "token"}]
    body = {"token": created["token"], "password": PASSWORD}
    assert http.post("/api/team/invitations/accept/", json=body).status_code == 200
    again = http.post("/api/team/invitations/accept/", json=body)
    unknown = http.post("/api/team/invitations/accept/", json=body | {"token": "x"})
    assert again.status_code == unknown.status_code == 400
    assert again.json() == unknown.json()
    assert list(again.json()) == ["token"]
    assert owner.person.get("/api/team/invitations/").json()["count"] == 0
    assert owner.person.delete(f"/api/team/invitations/{created['id']}/").status_code == 404


def test_a_withdrawn_invitation_lets_nobody_in(http: httpx.Client, owner: Account, stranger: Account) -> None:
    created = invite(owner)
    assert stranger.person.delete(f"/api/team/invitations/{created['id']}/").status_code == 404
    assert owner.person.delete(f"/api/team/invitations/{created['id']}/").status_code == 204
    body = {"token": created["token"], "password": PASSWORD}
    assert http.post("/api/team/invitations/accept/", json=body).status_code == 400


def test_whoever_has_an_account_joins_with_its_password_and_is_then_in_two_tenants(
    http: httpx.Client, owner: Account, stranger: Account
) -> None:
    token = invite(owner, stranger.email)["token"]
    wrong = http.post("/api/team/invitations/accept/", json={"token": token, "password": "not the password"})
    assert (wrong.status_code, list(wrong.json())) == (401, ["detail"])
    right = http.post("/api/team/invitations/accept/", json={"token": token, "password": PASSWORD})
    assert right.status_code == 200
    me = stranger.person.get("/api/auth/me/").json()
    assert [tenant["slug"] for tenant in me["tenants"]] == [stranger.slug, owner.slug]
    assert me["tenant"]["slug"] == stranger.slug


def test_a_wrong_invitation_is_told_every_wrong_field(owner: Account) -> None:
    answer = owner.person.post("/api/team/invitations/", json={"email": "nobody", "role": "owner"})
    assert (answer.status_code, set(answer.json())) == (400, {"email", "role"})
    answer = owner.person.post("/api/team/invitations/", json={"email": owner.email.upper(), "role": "viewer"})
    assert (answer.status_code, set(answer.json())) == (400, {"email"})


def test_a_role_changes_everywhere_within_a_second(url: str, owner: Account) -> None:
    with joined(url, owner) as (person, _):
        member = f"/api/team/members/{id_of(person)}/"
        assert person.post("/api/segments/", json={"name": "Mine"}).status_code == 201
        answer = owner.person.patch(member, json={"role": "viewer"})
        assert (answer.status_code, answer.json()["role"]) == (200, "viewer")
        wait_for(lambda: person.post("/api/segments/", json={"name": "No more"}).status_code == 403, 1.0)
        assert owner.person.patch(member, json={"role": "admin"}).status_code == 200
        wait_for(lambda: person.get("/api/team/members/").status_code == 200, 1.0)
        # An Admin may give up being one.
        assert person.patch(member, json={"role": "member"}).status_code == 200


def test_whoever_is_removed_is_out_within_a_second_and_stays_out(url: str, http: httpx.Client, owner: Account) -> None:
    with joined(url, owner, "admin") as (person, tokens):
        user_id = id_of(person)
        assert owner.person.delete(f"/api/team/members/{user_id}/").status_code == 204
        wait_for(lambda: person.get("/api/segments/").status_code == 403, 1.0)
        assert http.post("/api/auth/token/refresh/", json={"refresh": tokens["refresh"]}).status_code == 401
        assert owner.person.delete(f"/api/team/members/{user_id}/").status_code == 404


def test_the_owner_stays_the_owner_until_the_owner_says_otherwise(url: str, owner: Account) -> None:
    owner_id = id_of(owner.person)
    with joined(url, owner, "admin") as (admin, _):
        heir = id_of(admin)
        assert admin.delete(f"/api/team/members/{owner_id}/").status_code == 403
        assert admin.patch(f"/api/team/members/{owner_id}/", json={"role": "viewer"}).status_code == 403
        assert admin.post("/api/tenants/current/transfer/", json={"user_id": heir}).status_code == 403
        assert owner.person.patch(f"/api/team/members/{heir}/", json={"role": "owner"}).status_code == 400
        answer = owner.person.post("/api/tenants/current/transfer/", json={"user_id": heir})
        assert (answer.status_code, answer.json()["slug"]) == (200, owner.slug)
        wait_for(lambda: admin.get("/api/auth/me/").json()["role"] == "owner", 1.0)
        wait_for(lambda: owner.person.get("/api/auth/me/").json()["role"] == "admin", 1.0)
        assert owner.person.post("/api/tenants/current/transfer/", json={"user_id": owner_id}).status_code == 403
        assert admin.delete(f"/api/team/members/{owner_id}/").status_code == 204


def test_an_invitation_is_made_once_for_a_request_that_comes_twice(owner: Account) -> None:
    body = {"email": f"{new_slug()}@example.com", "role": "viewer"}
    sent = [
        owner.person.post("/api/team/invitations/", json=body, headers={"idempotency-key": body["email"]})
        for _ in range(2)
    ]
    assert sent[0].json() == sent[1].json()


def test_tokens_and_passwords_of_invitations_are_in_no_log(platform: Running, url: str, owner: Account) -> None:
    created = invite(owner)
    with client(url) as guest:
        guest.post("/api/team/invitations/accept/", json={"token": created["token"], "password": "mistyped"})
        tokens = guest.post(
            "/api/team/invitations/accept/", json={"token": created["token"], "password": PASSWORD}
        ).json()
    logs = "".join(path.read_text() for path in (platform.settings.home / "log").iterdir())
    for text in (created["token"], "mistyped", PASSWORD, tokens["refresh"]):
        assert text not in logs
