"""A tenant that has something of everything, each with its mark in it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from services.kit.access import admits
from services.kit.caller import ANONYMOUS, Caller
from tests.e2e.account import PASSWORD, Account, client, register
from tests.e2e.tenancy.calls import Fields
from tests.e2e.tenancy.samples import PROPERTIES, samples
from tests.e2e.test_segments import compute, create, did, is_in, ok
from tests.running import wait_for
from tests.standins.receiver import Receiver

# Who calls, by kind, as the platform sees them.
CALLERS = {
    "person": Caller(kind="person", tenant_id=1, role="owner"),
    "server": Caller(kind="secret_key", tenant_id=1),
    "page": Caller(kind="public_key", tenant_id=1),
    "session": Caller(kind="session", tenant_id=1),
    "stranger": ANONYMOUS,
}


@dataclass(frozen=True, kw_only=True)
class World:
    """A tenant. `mark` is in every text of it and in nothing of another; `has` are its objects by kind.

    `spare` are those it can do without, and what can be used once.
    """

    account: Account
    mark: str
    secret: str
    clients: Mapping[str, httpx.Client]
    has: Mapping[str, Any]
    spare: Mapping[str, Any]

    def admitted(self, access: int) -> dict[str, httpx.Client]:
        """The callers whom an RPC declared with `access` takes."""
        return {name: self.clients[name] for name, caller in CALLERS.items() if admits(access, caller)}

    def samples(self) -> dict[str, Fields]:
        """A valid request of every RPC, by its name."""
        return samples(self.has, self.spare)


@contextmanager
def world(url: str, outside: Receiver) -> Iterator[World]:
    """A new tenant with all of it. Its webhooks and connectors lead to `outside`."""
    with ExitStack() as stack:
        account = stack.enter_context(register(url))
        mark = account.slug
        settings = _settings(account, outside)
        _events(account, mark)
        segments = _segments(account, mark, settings["activations"])
        team = _team(account, mark, url)
        page = stack.enter_context(client(url, f"ApiKey {settings.pop('page')}"))
        erasure = f"/api/explorer/erasures/{settings['erasures']}/"
        wait_for(lambda: ok(account.person.get(erasure))["status"] == "complete")
        token = ok(page.post("/api/auth/session/", json={"user_id": f"{mark}-visitor"}))["token"]
        clients = {
            "person": account.person,
            "server": account.server,
            "page": page,
            "session": stack.enter_context(client(url, f"Bearer {token}")),
            "stranger": stack.enter_context(client(url)),
        }
        own = {"tenants": account.tenant_id, "slugs": mark, "emails": account.email, "users": f"{mark}-ann"}
        has, spare = settings | segments | team | own, {}
        for kind in list(has):
            if kind.startswith("spare "):
                spare[kind.removeprefix("spare ")] = has.pop(kind)
        yield World(account=account, mark=mark, secret=f"{mark} secret", clients=clients, has=has, spare=spare)


def _settings(account: Account, outside: Receiver) -> dict[str, Any]:
    mark, person = account.slug, account.person
    made: dict[str, Any] = {"spare refresh": account.refresh}
    ok(person.put("/api/integrations/shopify/", json={"webhook_secret": f"{mark} secret"}))
    made["erasures"] = ok(person.delete("/api/explorer/users/erased@example.com/"), 202)["id"]
    for kind, path, body in (
        ("schemas", "/api/schemas/", {"event_type": f"{mark} returned", "properties": PROPERTIES}),
        ("spare schemas", "/api/schemas/", {"event_type": f"{mark} sent", "properties": PROPERTIES}),
        ("api-keys", "/api/auth/api-keys/", {"name": mark}),
        ("spare api-keys", "/api/auth/api-keys/", {"name": mark}),
        ("segments", "/api/segments/", {"name": f"Buyers {mark}", "description": mark, "definition": did("bought")}),
        ("spare bases", "/api/segments/", {"name": f"Base {mark}", "definition": did(f"{mark} seen")}),
        ("spare segments", "/api/segments/", {"name": f"Spare {mark}"}),
        ("webhooks", "/api/webhooks/", {"url": f"{outside.url}/{mark}", "secret": mark, "description": mark}),
        ("spare webhooks", "/api/webhooks/", {"url": f"{outside.url}/{mark}", "is_active": False}),
    ):
        made[kind] = ok(person.post(path, json=body), 201)["id"]
    key = ok(person.post("/api/auth/api-keys/", json={"name": mark, "key_type": "public"}), 201)
    made["page"] = key["key"]
    config = {"url": f"{outside.url}/{mark}", "secret": mark}
    for kind in ("activations", "spare activations"):
        body = {"segment": made["segments"], "connector_type": "webhook", "config": config}
        made[kind] = ok(person.post("/api/activations/", json=body), 201)["id"]
    return made


def _events(account: Account, mark: str) -> None:
    """Two users of its own, and one whom every tenant has; and an event that is wrong."""
    users = [f"{mark}-ann", f"{mark}-bob", "shared@example.com"]
    events: list[dict[str, Any]] = [
        {"user_id": user, "event_type": event_type, "payload": {"total": 5, "note": mark}}
        for user in users
        for event_type in ("bought", f"{mark} seen", "context_identified")
    ]
    events.append({"user_id": f"{mark}-eve", "event_type": f"{mark} wrong", "payload": mark})
    assert ok(account.server.post("/api/ingestion/track/batch/", json={"events": events}), 202)["skipped"] == 1
    wait_for(lambda: ok(account.server.get("/api/explorer/users/"))["count"] == len(users))
    wait_for(lambda: ok(account.server.get("/api/ingestion/errors/"))["count"] == 1)


def _segments(account: Account, mark: str, activation: int) -> dict[str, Any]:
    person = account.person
    (listed,) = ok(person.get("/api/segments/", params={"search": f"Buyers {mark}"}))["results"]
    segment = listed["id"]
    create(account, name=f"Referrer {mark}", definition=is_in(segment))
    ok(person.patch(f"/api/activations/{activation}/", json={"status": "active"}))
    compute(account, segment)
    compute(account, segment)
    export = ok(person.post(f"/api/segments/{segment}/export/", json={"format": "csv"}), 202)["id"]
    state = f"/api/segments/{segment}/export/?export_id={export}"
    wait_for(lambda: ok(person.get(state))["status"] == "complete")
    wait_for(lambda: ok(person.get(f"/api/activations/{activation}/logs/"))["count"])
    wait_for(lambda: ok(person.get(f"/api/activations/{activation}/"))["last_synced_at"])
    (webhook,) = [hook for hook in ok(person.get("/api/webhooks/"))["results"] if hook["is_active"]]
    deliveries = f"/api/webhooks/{webhook['id']}/deliveries/"
    wait_for(lambda: {one["status"] for one in ok(person.get(deliveries))["results"]} == {"delivered"})
    return {
        "exports": export,
        "deliveries": ok(person.get(deliveries))["results"][0]["id"],
        "cursors of members": ok(person.get(f"/api/segments/{segment}/members/?limit=1"))["next_cursor"],
        "cursors of changes": ok(person.get(f"/api/segments/{segment}/changes/?limit=1"))["next_cursor"],
    }


def _team(account: Account, mark: str, url: str) -> dict[str, Any]:
    """Two members who accepted invitations, and two invitations that nobody accepted."""
    person, made = account.person, {}
    with client(url) as stranger:
        for kind in ("members", "spare members"):
            invited = _invite(person, f"{kind.replace(' ', '-')}@{mark}.example.com")
            body = {"token": invited["token"], "password": PASSWORD}
            ok(stranger.post("/api/team/invitations/accept/", json=body))
    _, made["members"], made["spare members"] = (
        member["id"] for member in ok(person.get("/api/team/members/"))["results"]
    )
    for kind in ("invitations", "spare invitations"):
        made[kind] = _invite(person, f"{kind.replace(' ', '-')}@{mark}.example.com")["id"]
    made["spare tokens"] = _invite(person, f"token@{mark}.example.com")["token"]
    return made


def _invite(person: httpx.Client, email: str) -> Any:
    return ok(person.post("/api/team/invitations/", json={"email": email, "role": "viewer"}), 201)
