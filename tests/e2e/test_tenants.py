"""People with several tenants, and what they set on them, through the edge."""

import httpx

from tests.e2e.account import PASSWORD, Account, client, new_slug
from tests.running import wait_for


def new_tenant(owner: Account) -> str:
    """Another tenant of a person, by its slug."""
    slug = new_slug()
    answer = owner.person.post("/api/tenants/", json={"name": " Second ", "slug": slug})
    assert answer.status_code == 201, answer.text
    assert answer.json() == {
        "id": answer.json()["id"],
        "slug": slug,
        "name": "Second",
        "plan": "enterprise",
        "created_at": answer.json()["created_at"],
        "settings": {"invitation_domains": []},
    }
    return slug


def current(person: httpx.Client, slug: str = "") -> str:
    """The slug of the tenant that a request is for."""
    headers = {"x-tenant-slug": slug} if slug else {}
    answer = person.get("/api/tenants/current/", headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["slug"])


def test_a_person_works_in_several_tenants_the_oldest_unless_told_otherwise(
    http: httpx.Client, url: str, owner: Account
) -> None:
    second = new_tenant(owner)
    me = owner.person.get("/api/auth/me/").json()
    assert [(tenant["slug"], tenant["role"]) for tenant in me["tenants"]] == [(owner.slug, "owner"), (second, "owner")]
    assert current(owner.person) == me["tenant"]["slug"] == owner.slug
    assert current(owner.person, second) == second
    for asked, got in (("", owner.slug), (second, second)):
        body = {"email": owner.email, "password": PASSWORD} | ({"tenant_slug": asked} if asked else {})
        tokens = http.post("/api/auth/token/", json=body).json()
        with client(url, f"Bearer {tokens['access']}") as person:
            assert current(person) == got
            # The header is about this request only, whatever the token is for.
            assert current(person, owner.slug) == owner.slug
        renewed = http.post("/api/auth/token/refresh/", json={"refresh": tokens["refresh"]}).json()
        with client(url, f"Bearer {renewed['access']}") as person:
            assert current(person) == got
    body = {"email": owner.email, "password": PASSWORD, "tenant_slug": new_slug()}
    assert http.post("/api/auth/token/", json=body).status_code == 403


def test_what_belongs_to_one_tenant_of_a_person_is_not_in_the_other(owner: Account) -> None:
    elsewhere = {"x-tenant-slug": new_tenant(owner)}
    made = owner.person.post("/api/segments/", json={"name": "Here"}).json()
    assert owner.person.get(f"/api/segments/{made['id']}/", headers=elsewhere).status_code == 404
    assert owner.person.get("/api/segments/", headers=elsewhere).json()["count"] == 0


def test_a_new_tenant_with_wrong_fields_is_told_of_each(owner: Account) -> None:
    answer = owner.person.post("/api/tenants/", json={"name": "", "slug": "No"})
    assert (answer.status_code, set(answer.json())) == (400, {"name", "slug"})
    answer = owner.person.post("/api/tenants/", json={"name": "Taken", "slug": owner.slug})
    assert (answer.status_code, answer.json()) == (400, {"slug": ["This slug is taken."]})


def test_name_and_settings_change_as_far_as_they_are_sent(owner: Account) -> None:
    sent = {"name": "Renamed", "settings": {"invitation_domains": ["Example.com"]}}
    changed = owner.person.patch("/api/tenants/current/", json=sent)
    assert changed.status_code == 200
    assert changed.json()["settings"] == {"invitation_domains": ["example.com"]}
    assert owner.person.patch("/api/tenants/current/", json={}).json() == changed.json()
    assert owner.person.patch("/api/tenants/current/", json={"settings": {}}).json() == changed.json()
    assert owner.person.get("/api/tenants/current/").json() == changed.json()
    assert owner.person.get("/api/auth/me/").json()["tenant"]["name"] == "Renamed"


def test_a_setting_that_does_not_exist_is_named_with_its_path_and_nothing_changes(owner: Account) -> None:
    before = owner.person.get("/api/tenants/current/").json()
    answer = owner.person.patch("/api/tenants/current/", json={"name": "Other", "settings": {"colour": "red"}})
    assert (answer.status_code, answer.json()) == (400, {"settings": ["colour: There is no such setting."]})
    # What is not the tenant's to say is passed over.
    assert owner.person.patch("/api/tenants/current/", json={"plan": "free", "slug": "x", "id": 1}).status_code == 200
    assert owner.person.get("/api/tenants/current/").json() == before


def test_an_owner_chooses_the_plan_where_plans_are_not_sold(owner: Account) -> None:
    answer = owner.person.put("/api/tenants/current/plan/", json={"plan": "business"})
    assert (answer.status_code, answer.json()["plan"]) == (200, "business")
    # The limit follows within a second.
    wait_for(lambda: owner.server.get("/api/segments/").headers["x-ratelimit-limit"] == "1000", 1.0)
    answer = owner.person.put("/api/tenants/current/plan/", json={"plan": "platinum"})
    assert (answer.status_code, list(answer.json())) == (400, ["plan"])
    assert owner.server.put("/api/tenants/current/plan/", json={"plan": "enterprise"}).status_code == 403
