"""What is taken from someone is gone within a second on every edge, while it is in use there all the time."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest

from services.gen.segops.identity.v1 import admin_pb2
from tests.e2e.account import PASSWORD, Account, client, new_key, new_slug, register
from tests.e2e.constantly import Use, constantly
from tests.e2e.operating import operator, rotate
from tests.e2e.second_edge import second_edge
from tests.e2e.test_outages import find
from tests.running import Running, wait_for

Urls = tuple[str, str]
EVENT = {"user_id": "a", "event_type": "b"}


@pytest.fixture(scope="module")
def urls(platform: Running, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Urls]:
    """Both edges."""
    with second_edge(platform, tmp_path_factory.mktemp("second") / "data") as other:
        yield url, other


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody asks with a credential."""

    headers: dict[str, str]
    method: str = "GET"
    path: str = "/api/segments/"
    body: object = None

    @contextmanager
    def constantly(self, urls: Urls) -> Iterator[list[Use]]:
        """Two clients at each edge ask it within the block, over and over."""
        with ExitStack() as stack:
            clients = [stack.enter_context(client(url)) for url in urls * 2]
            yield stack.enter_context(constantly(*(partial(self.status, http) for http in clients)))

    def status(self, http: httpx.Client) -> int:
        """What it gets."""
        return http.request(self.method, self.path, json=self.body, headers=self.headers).status_code


@dataclass(frozen=True, kw_only=True)
class Taken:
    """How a credential is taken away: what its tenant's owner sends."""

    method: str
    path: str
    body: object = None

    def send(self, url: str, owner: Account) -> None:
        """Sends it to one edge."""
        with client(url, f"Bearer {owner.access}") as person:
            assert person.request(self.method, self.path, json=self.body).status_code in (200, 204)


def secret_key(owner: Account, _: Account) -> tuple[Asked, Taken]:
    key = new_key(owner.person)
    return Asked(headers={"authorization": f"ApiKey {key['key']}"}), revoked(key)


def session(owner: Account, _: Account) -> tuple[Asked, Taken]:
    key = owner.person.post("/api/auth/api-keys/", json={"name": "web", "key_type": "public"}).json()
    shown = {"authorization": f"ApiKey {key['key']}"}
    opened = owner.person.post("/api/auth/session/", json={"user_id": "a"}, headers=shown).json()
    headers = {"authorization": f"Bearer {opened['token']}"}
    return Asked(headers=headers, method="POST", path="/api/ingestion/track/", body=EVENT), revoked(key)


def role(owner: Account, guest: Account) -> tuple[Asked, Taken]:
    asked = Asked(headers=as_guest(owner, guest), path="/api/auth/api-keys/")
    return asked, Taken(method="PATCH", path=f"/api/team/members/{user_id(guest)}/", body={"role": "viewer"})


def membership(owner: Account, guest: Account) -> tuple[Asked, Taken]:
    return Asked(headers=as_guest(owner, guest)), removed(guest)


def membership_of_the_token(owner: Account, guest: Account) -> tuple[Asked, Taken]:
    body = {"email": guest.email, "password": PASSWORD, "tenant_slug": owner.slug}
    access = guest.person.post("/api/auth/token/", json=body).json()["access"]
    return Asked(headers={"authorization": f"Bearer {access}"}), removed(guest)


def revoked(key: dict[str, str]) -> Taken:
    return Taken(method="DELETE", path=f"/api/auth/api-keys/{key['id']}/")


def removed(guest: Account) -> Taken:
    return Taken(method="DELETE", path=f"/api/team/members/{user_id(guest)}/")


def as_guest(owner: Account, guest: Account) -> dict[str, str]:
    return {"authorization": f"Bearer {guest.access}", "x-tenant-slug": owner.slug}


def user_id(account: Account) -> int:
    return int(account.person.get("/api/auth/me/").json()["user"]["id"])


Kind = Callable[[Account, Account], tuple[Asked, Taken]]
KINDS = (secret_key, session, role, membership, membership_of_the_token)


@pytest.fixture
def guest(platform: Running, url: str, owner: Account) -> Iterator[Account]:
    """The owner of another tenant, who is an admin of the owner's."""
    with register(url) as account, operator(platform) as admin:
        request = admin_pb2.CreateUserRequest(email=account.email, tenant_slug=owner.slug, role="admin")
        admin.call(admin.stub.CreateUser, request)
        yield account


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", [0, 1])
def test_what_is_taken_away_on_one_edge_is_gone_on_both_within_a_second(
    urls: Urls, owner: Account, guest: Account, kind: Kind, by: int
) -> None:
    asked, taken = kind(owner, guest)
    with asked.constantly(urls) as uses:
        assert all(use.works() for use in uses)
        taken.send(urls[by], owner)
        gone(uses)
    assert guest.person.get("/api/segments/").status_code == 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGSTOP], ids=["end", "hang"])
def test_it_is_gone_also_when_the_connections_on_which_edges_hear_of_it(
    platform: Running, urls: Urls, owner: Account, guest: Account, kind: Kind, signum: signal.Signals
) -> None:
    asked, taken = kind(owner, guest)
    with asked.constantly(urls) as uses, deaf(platform, signum):
        taken.send(urls[1], owner)
        gone(uses)


def test_a_leaked_signing_key_is_dropped_on_both_edges(platform: Running, urls: Urls, owner: Account) -> None:
    person = Asked(headers={"authorization": f"Bearer {owner.access}"}, path="/api/auth/me/")
    visitor, _ = session(owner, owner)
    with person.constantly(urls) as uses, visitor.constantly(urls) as others, deaf(platform, signal.SIGTERM):
        rotate(platform, now=True)
        gone([*uses, *others])


def test_while_identity_is_away_nobody_gets_in_with_what_was_taken(
    platform: Running, urls: Urls, owner: Account
) -> None:
    key = new_key(owner.person)
    with Asked(headers={"authorization": f"ApiKey {key['key']}"}).constantly(urls) as uses:
        find(platform, "services.identity").kill()
        with psycopg.connect(platform.settings.libpq_dsn, autocommit=True) as connection:
            connection.execute("DELETE FROM api_keys WHERE id = %s", [key["id"]])
        gone(uses)


def gone(uses: Sequence[Use]) -> None:
    """Fails the test unless what was taken away just now ends within the second."""
    answered = time.monotonic()
    for use in uses:
        use.ends(answered)


@contextmanager
def deaf(platform: Running, signum: signal.Signals) -> Iterator[None]:
    """Sends a signal to the connections on which the edges hear of changes, over and over within the block."""
    ended = threading.Event()

    def go_on() -> None:
        with psycopg.connect(platform.settings.libpq_dsn, autocommit=True) as connection:
            while not ended.wait(0.02):
                for pid in listening(connection):
                    stopped.add(pid)
                    os.kill(pid, signum)

    stopped: set[int] = set()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(go_on)
        wait_for(lambda: stopped)
        try:
            yield
        finally:
            ended.set()
    running.result()
    for pid in stopped:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    with psycopg.connect(platform.settings.libpq_dsn, autocommit=True) as connection:
        wait_for(lambda: len(listening(connection)) == 2)


def listening(connection: "psycopg.Connection[tuple[Any, ...]]") -> list[int]:
    """The processes of PostgreSQL that tell the edges of changes."""
    query = "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN credentials'"
    return [pid for (pid,) in connection.execute(query).fetchall()]


def test_a_person_changes_tenants_by_header_on_every_edge(
    urls: Urls, owner: Account, guest: Account, stranger: Account
) -> None:
    for url in urls:
        with client(url, f"Bearer {guest.access}") as person:
            for account, expected in ((owner, 200), (guest, 200), (stranger, 403)):
                answer = person.get("/api/auth/me/", headers={"x-tenant-slug": account.slug})
                assert answer.status_code == expected
            assert person.get("/api/auth/me/", headers={"x-tenant-slug": new_slug()}).status_code == 403
