"""Credentials in other places, schemes and spellings than their own, and tenants that are not the caller's."""

import base64
import hashlib
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.account import PASSWORD, Account
from tests.e2e.attacks import frames

LIST, ME = "/api/segments/", "/api/auth/me/"

Shown = Callable[[Account], str]


def basic(text: str) -> str:
    """As user name and password."""
    return f"Basic {base64.b64encode(text.encode()).decode()}"


GOOD: dict[str, Shown] = {
    "its scheme": lambda a: f"ApiKey {a.key}",
    "its scheme in another case": lambda a: f"aPIkEY   {a.key}",
    "a user name": lambda a: basic(f"{a.key}:"),
    "a user name without a colon": lambda a: basic(a.key),
    "a user name with a password": lambda a: basic(f"{a.key}:any:thing"),
}
BAD: dict[str, Shown] = {
    "no scheme": lambda a: a.key,
    "a scheme of persons": lambda a: f"Bearer {a.key}",
    "another scheme": lambda a: f"Token {a.key}",
    "a scheme with a colon": lambda a: f"ApiKey: {a.key}",
    "a scheme with a tab": lambda a: f"ApiKey\t{a.key}",
    "a scheme and nothing": lambda a: "ApiKey",
    "two keys": lambda a: f"ApiKey {a.key}, ApiKey {a.key}",
    "the key twice": lambda a: f"ApiKey {a.key} {a.key}",
    "quotes": lambda a: f'ApiKey "{a.key}"',
    "a parameter": lambda a: f"ApiKey key={a.key}",
    "percent signs": lambda a: f"ApiKey {a.key.replace('_', '%5F')}",
    "another case": lambda a: f"ApiKey {a.key.swapcase()}",
    "all but the end": lambda a: f"ApiKey {a.key[:-1]}",
    "more than all": lambda a: f"ApiKey {a.key}0",
    "the prefix that is listed": lambda a: (
        f"ApiKey {a.person.get('/api/auth/api-keys/').json()['results'][0]['prefix']}"
    ),
    "the other type": lambda a: f"ApiKey {a.key.replace('sk_', 'pk_')}",
    "a pattern": lambda a: f"ApiKey {a.key[:12]}%",
    "the hash that is stored": lambda a: f"ApiKey {hashlib.sha256(a.key.encode()).hexdigest()}",
    "a null character": lambda a: basic(f"{a.key}\0:"),
    "a line end": lambda a: basic(f"{a.key}\n:"),
    "a space before": lambda a: basic(f" {a.key}:"),
    "a password": lambda a: basic(f":{a.key}"),
    "the password of some user": lambda a: basic(f"user:{a.key}"),
    "email and password": lambda a: basic(f"{a.email}:{PASSWORD}"),
    "an access token as user name": lambda a: basic(f"{a.access}:"),
    "basic and nothing": lambda a: "Basic",
    "basic and a colon": lambda a: basic(":"),
    "basic, not encoded": lambda a: f"Basic {a.key}:",
    "basic, encoded twice": lambda a: basic(base64.b64encode(f"{a.key}:".encode()).decode()),
    "basic, without padding": lambda a: basic(f"{a.key}:a").rstrip("="),
    "basic, in UTF-16": lambda a: f"Basic {base64.b64encode(f'{a.key}:'.encode('utf-16')).decode()}",
    "basic, with a space inside": lambda a: basic(f"{a.key}:")[:20] + " " + basic(f"{a.key}:")[20:],
    "digest": lambda a: f'Digest username="{a.key}", realm="segops", nonce="", uri="/", response=""',
    "negotiate": lambda a: f"Negotiate {base64.b64encode(a.key.encode()).decode()}",
}


@pytest.mark.parametrize("name", GOOD)
def test_a_key_is_shown_in_these_ways(http: httpx.Client, theirs: Account, name: str) -> None:
    answer = http.get(LIST, headers={"authorization": GOOD[name](theirs)})
    assert (answer.status_code, b"theirs" in answer.content) == (200, True)


@pytest.mark.parametrize("name", BAD)
def test_and_in_no_other(http: httpx.Client, port: int, theirs: Account, name: str) -> None:
    shown = BAD[name](theirs)
    refused = http.get(LIST, headers={"authorization": shown})
    assert (refused.status_code, list(refused.json())) == (401, ["detail"])
    called = frames.rpc(
        port, b"/segops.segments.v1.SegmentsService/ListSegments", (b"authorization", shown.strip().encode())
    )
    assert frames.ask(port, called, frames.NOTHING).grpc_status == 16


@pytest.mark.parametrize("name", ["authorization", "api_key", "apikey", "key", "access_token", "token", "auth"])
def test_a_credential_in_a_query_counts_for_nothing(http: httpx.Client, theirs: Account, name: str) -> None:
    for value in (theirs.key, f"ApiKey {theirs.key}", theirs.access, f"Bearer {theirs.access}"):
        assert http.get(LIST, params={name: value}).status_code == 401


@pytest.mark.parametrize(
    "name",
    ["cookie", "x-api-key", "api-key", "apikey", "proxy-authorization", "x-authorization", "x-access-token", "token"],
)
def test_nor_in_another_header(http: httpx.Client, theirs: Account, name: str) -> None:
    for value in (
        theirs.key,
        f"authorization=ApiKey {theirs.key}",
        f"access={theirs.access}",
        f"Bearer {theirs.access}",
    ):
        assert http.get(LIST, headers={name: value}).status_code == 401


@pytest.mark.parametrize("first", [True, False])
def test_of_two_credentials_none_counts(http: httpx.Client, ours: Account, theirs: Account, first: bool) -> None:
    for other in ("ApiKey x", f"ApiKey {ours.key}", f"Bearer {theirs.access}"):
        values = [f"ApiKey {theirs.key}", other]
        headers = [("authorization", value) for value in (values if first else values[::-1])]
        assert http.get(LIST, headers=headers).status_code == 401


def slugs(ours: str, theirs: str) -> list[list[tuple[str, str]]]:
    """Headers that name another tenant, alone and beside one's own."""
    name = "x-tenant-slug"
    return [
        [(name, theirs)],
        [(name, ours), (name, theirs)],
        [(name, theirs), (name, ours)],
        [(name, f"{ours},{theirs}")],
        [(name, f"{theirs}, {ours}")],
        [(name, f"{ours}\t{theirs}")],
        [(name, theirs.upper())],
        [(name, f"%{ord(theirs[0]):x}{theirs[1:]}")],
        [(name, "%")],
        [(name, "' OR slug <> '")],
        [(name, theirs[:-1] + "_")],
    ]


@pytest.mark.parametrize("number", range(len(slugs("a", "b"))))
def test_a_person_gets_no_tenant_that_is_not_theirs(
    http: httpx.Client, ours: Account, theirs: Account, number: int
) -> None:
    shown = ("authorization", f"Bearer {ours.access}")
    refused = http.get(ME, headers=[shown, *slugs(ours.slug, theirs.slug)[number]])
    assert (refused.status_code, theirs.slug in refused.text) == (403, False)
    assert http.get(ME, headers=[shown, ("x-tenant-slug", ours.slug)]).json()["tenant"]["slug"] == ours.slug


@pytest.mark.parametrize("name", ["x_tenant_slug", "x-tenant", "x-tenant-id", "tenant-slug", "x-tenant-slug-bin"])
def test_nor_by_another_name(http: httpx.Client, ours: Account, theirs: Account, name: str) -> None:
    for value in (theirs.slug, str(theirs.tenant_id)):
        answer = http.get(ME, headers={"authorization": f"Bearer {ours.access}", name: value})
        assert answer.json()["tenant"]["slug"] == ours.slug
    for name in ("tenant_slug", "tenant", "tenant_id", "X-Tenant-Slug"):
        answer = ours.person.get(ME, params={name: theirs.slug})
        assert answer.status_code == 400 or answer.json()["tenant"]["slug"] == ours.slug


def test_a_key_has_no_choice_of_tenant(ours: Account, theirs: Account) -> None:
    for headers in slugs(ours.slug, theirs.slug):
        answer = ours.server.get(LIST, headers=[*headers])
        assert (answer.status_code, answer.json()["count"]) == (200, 0)


def test_nobody_signs_in_to_a_tenant_that_is_not_theirs(http: httpx.Client, ours: Account, theirs: Account) -> None:
    for slug, status in ((ours.slug, 200), (theirs.slug, 403), (theirs.slug.upper(), 403)):
        body = {"email": ours.email, "password": PASSWORD, "tenant_slug": slug}
        answer = http.post("/api/auth/token/", json=body)
        assert answer.status_code == status, answer.text
