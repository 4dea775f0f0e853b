"""A person with a tenant, as a client of the edge."""

import itertools
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Account:
    """The owner of a tenant of its own: `person` calls with the access token, `server` with a secret key."""

    email: str
    slug: str
    tenant_id: int
    access: str
    refresh: str
    key: str
    person: httpx.Client
    server: httpx.Client


def new_slug() -> str:
    """A tenant slug that no other test uses."""
    return f"tenant-{next(_numbers)}-{secrets.token_hex(4)}"


@contextmanager
def register(url: str) -> Iterator[Account]:
    """Registers a person with a tenant and makes a secret key, all through the edge."""
    slug = new_slug()
    email = f"{slug}@example.com"
    body = {"email": email, "password": PASSWORD, "tenant_name": slug, "tenant_slug": slug}
    with client(url) as stranger:
        answer = stranger.post("/api/auth/register/", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    with (
        client(url, f"Bearer {made['access']}") as person,
        client(url, f"ApiKey {new_key(person)['key']}") as server,
    ):
        yield Account(
            email=email,
            slug=slug,
            tenant_id=made["tenant"]["id"],
            access=made["access"],
            refresh=made["refresh"],
            key=server.headers["authorization"].removeprefix("ApiKey "),
            person=person,
            server=server,
        )


def client(url: str, authorization: str = "") -> httpx.Client:
    """A client with one credential or none."""
    headers = {"authorization": authorization} if authorization else {}
    # There is no TLS here, and to load the certificates for it would take 25 ms a client.
    return httpx.Client(base_url=url, headers=headers, timeout=30, verify=False)


def new_key(person: httpx.Client) -> dict[str, str]:
    """A new secret key of the person's tenant."""
    answer = person.post("/api/auth/api-keys/", json={"name": "test"})
    assert answer.status_code == 201, answer.text
    created: dict[str, str] = answer.json()
    return created
