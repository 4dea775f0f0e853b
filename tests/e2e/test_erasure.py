"""A person is erased from every store under every id, with a receipt; others in the same messages keep everything."""

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest

from services.kit.eventlog import EventLog
from tests.e2e.account import Account
from tests.e2e.segopsctl import segopsctl
from tests.e2e.tenancy.contents import everything
from tests.e2e.test_segments import compute, create, did, ok, wrong
from tests.integration.warehouse.rows import Event, rows
from tests.running import Running, wait_for
from tests.standins.receiver import Receiver
from tests.standins.server import serving

STAYS = "bob@example.com"
LONG_AGO = "2026-04-25T14:32:00Z"
LATER = "2036-04-25T14:32:00Z"
STORES = {
    "memberships",
    "membership_changes",
    "exports",
    "event_errors",
    "shopify_checkouts",
    "warehouse.events",
    "warehouse.users",
    "warehouse.user_props",
    "warehouse.membership_changes",
    "warehouse.user_links",
    "event_log",
    "dead_letters",
    "links",
    "connectors",
}


@pytest.fixture
def outside() -> Iterator[Receiver]:
    """Where the connectors lead."""
    with serving(Receiver()) as receiver:
        yield receiver


class Person:
    """A person with two ids, and what there is of them everywhere."""

    def __init__(self, platform: Running, owner: Account, outside: Receiver) -> None:
        self.platform, self.owner, self.outside = platform, owner, outside
        mark = secrets.token_hex(8)
        self.user_id, self.visitor = f"ann-{mark}", f"visitor-{mark}"
        self.ids = (self.user_id, f"anon_{self.visitor}")
        self._track("bought", "context_identified", "seen")
        self._wrong_event()
        asyncio.run(self._dead_letter())
        alias = {"anonymous_id": self.visitor, "user_id": self.user_id}
        assert owner.server.post("/api/identity/alias/", json=alias).is_success
        self.segments = [self._segment(kind) for kind in ("bought", "seen")]
        referrer = create(owner, name="Referrer", definition=is_in(self.segments[0]))["id"]
        compute(owner, referrer)
        self.connector = self._connector(self.segments[0])
        self.export = self._export(self.segments[0])

    def erase(self) -> int:
        """Asks for the erasure; its id."""
        answer = ok(self.owner.server.delete(f"/api/explorer/users/{self.user_id}/"), 202)
        assert answer["id"] == answer["erasure_id"]
        assert answer["status"] in ("queued", "running")
        return int(answer["id"])

    def receipt(self, erasure_id: int) -> Any:
        return ok(self.owner.server.get(f"/api/explorer/erasures/{erasure_id}/"))

    def complete(self, erasure_id: int) -> Any:
        """The receipt once the erasure is complete."""

        def done() -> Any:
            receipt = self.receipt(erasure_id)
            return receipt if receipt["status"] == "complete" else None

        return wait_for(done, 60)

    def late(self, user_id: str, occurred_at: str | None = LONG_AGO) -> Any:
        event = {"user_id": user_id, "event_type": "bought", "occurred_at": occurred_at}
        return self.owner.server.post("/api/ingestion/track/", json=event)

    def in_postgres(self) -> dict[str, str]:
        """The tables in which one of the ids is."""
        found = everything(self.platform)
        return {table: text for table, text in found.items() if any(user_id in text for user_id in self.ids)}

    def in_log(self) -> list[str]:
        """The files of the event log, with whatever they have in them, that have one of the ids."""
        files = (self.platform.settings.home / "nats").rglob("*.blk")
        ids = [user_id.encode() for user_id in self.ids]
        return [path.parts[-3] for path in files if any(user_id in path.read_bytes() for user_id in ids)]

    def _track(self, *kinds: str) -> None:
        events = [
            {"user_id": user, "event_type": kind, "payload": {"of": user}, "occurred_at": LONG_AGO}
            for kind in kinds
            for user in (*self.ids, STAYS)
        ]
        ok(self.owner.server.post("/api/ingestion/track/batch/", json={"events": events}), 202)
        wait_for(lambda: ok(self.owner.server.get("/api/explorer/users/"))["count"] == len(self.ids) + 1)

    def _wrong_event(self) -> None:
        events = [{"user_id": user, "event_type": "bought", "payload": 1} for user in (self.user_id, STAYS)]
        ok(self.owner.server.post("/api/ingestion/track/batch/", json={"events": events}), 202)
        wait_for(lambda: ok(self.owner.server.get("/api/ingestion/errors/"))["count"] == len(events))

    async def _dead_letter(self) -> None:
        log = await EventLog.connect(self.platform.settings)
        tenant = self.owner.tenant_id
        events = [Event(user_id=self.user_id), Event(user_id=STAYS)]
        await log.append(tenant, rows(tenant, *events) + b"\xff\n")
        async with asyncio.timeout(30):
            while True:
                with suppress(Exception):
                    await log.jetstream.get_last_msg("EVENTS_DEAD", f"dead.{tenant}")
                    break
                await asyncio.sleep(0.05)
        await log.close()

    def _segment(self, kind: str) -> int:
        segment = create(self.owner, name=kind, definition=did(kind))["id"]
        compute(self.owner, segment)
        return int(segment)

    def _connector(self, segment: int) -> int:
        body = {"segment": segment, "connector_type": "webhook", "config": {"url": self.outside.url}}
        connector = int(ok(self.owner.server.post("/api/activations/", json=body), 201)["id"])
        path = f"/api/activations/{connector}/"
        ok(self.owner.server.patch(path, json={"status": "active"}))
        wait_for(lambda: ok(self.owner.server.get(path))["last_synced_at"])
        ok(self.owner.server.patch(path, json={"status": "inactive"}))
        assert self.outside.segments[segment] >= {self.user_id, STAYS}
        return connector

    def _export(self, segment: int) -> int:
        path = f"/api/segments/{segment}/export/"
        export = int(ok(self.owner.server.post(path, json={"format": "csv"}), 202)["id"])
        wait_for(lambda: ok(self.owner.server.get(f"{path}?export_id={export}"))["status"] == "complete")
        return export


def is_in(segment_id: int) -> dict[str, Any]:
    condition = {"type": "segment_membership", "segment_id": segment_id, "operator": "in"}
    return {"logic": "AND", "conditions": [condition]}


@pytest.fixture
def person(platform: Running, owner: Account, outside: Receiver) -> Person:
    return Person(platform, owner, outside)


def events_of(owner: Account, user_id: str) -> Any:
    return ok(owner.server.get(f"/api/explorer/users/{user_id}/events/"))["results"]


def kill(platform: Running, service: str) -> None:
    for process in platform.family():
        with suppress(psutil.NoSuchProcess):
            if f"services.{service}" in process.cmdline():
                process.kill()


def lose_warehouse(platform: Running) -> None:
    """The supervisor starts the warehouse again without anything in it."""
    home = platform.settings.home
    for name in ("warehouse", "warehouse-ids"):
        with suppress(FileNotFoundError):
            (home / name).rename(home / f"{name}-lost")
    kill(platform, "warehouse")
    for name in ("warehouse", "warehouse-ids"):
        shutil.rmtree(home / f"{name}-lost", ignore_errors=True)


def check_gone(person: Person, receipt: Any) -> None:
    """Nothing of the person is anywhere."""
    assert {entry["store"] for entry in receipt["stores"]} == STORES
    assert {(entry["remaining"], entry["detail"]) for entry in receipt["stores"]} == {(0, None)}
    assert person.in_postgres() == {}
    assert person.in_log() == []
    found = ok(person.owner.server.get("/api/explorer/users/"))["results"]
    assert [user["user_id"] for user in found] == [STAYS]
    for user_id in person.ids:
        assert person.owner.server.get(f"/api/explorer/users/{user_id}/").status_code == 404
    export = f"/api/segments/{person.segments[0]}/export/?export_id={person.export}"
    assert ok(person.owner.server.get(export))["status"] == "expired"
    assert person.owner.server.get(f"/api/segments/exports/{person.export}/download/").status_code == 404
    assert not list((person.platform.settings.home / "exports").glob(f"{person.owner.tenant_id}-{person.export}-*"))
    assert person.outside.segments[person.segments[0]] == {STAYS}


def check_others(person: Person, before: Any) -> None:
    """Somebody else has everything."""
    owner = person.owner
    assert events_of(owner, STAYS) == before
    assert ok(owner.server.get(f"/api/explorer/users/{STAYS}/"))["properties"] == {"of": STAYS}
    for segment in person.segments:
        assert ok(owner.server.get(f"/api/segments/{segment}/"))["member_count"] == 1
        assert compute(owner, segment)["member_count"] == 1
        members = ok(owner.server.get(f"/api/segments/{segment}/members/"))["results"]
        assert [member["user_id"] for member in members] == [STAYS]
    errors = ok(owner.server.get("/api/ingestion/errors/"))["results"]
    assert STAYS in [error["user_id"] for error in errors]


def test_a_person_is_erased_everywhere_and_nobody_else(person: Person) -> None:
    owner, before = person.owner, events_of(person.owner, STAYS)
    assert len(person.in_postgres()) > 3
    assert person.in_log()
    erasure = person.erase()
    assert person.erase() == erasure
    wait_for(lambda: person.late(person.user_id).status_code == 400)
    # Whatever happens while it runs is refused.
    assert "user_id" in wrong(person.late(person.user_id, None))
    mixed = [{"user_id": user, "event_type": "bought", "occurred_at": LONG_AGO} for user in (person.ids[1], STAYS)]
    answer = owner.server.post("/api/ingestion/track/batch/", json={"events": mixed})
    assert ok(answer, 202) == {"queued": 1, "skipped": 1, "duplicate": 0}
    receipt = person.complete(erasure)
    wait_for(lambda: len(events_of(owner, STAYS)) == len(before) + 1)
    before = events_of(owner, STAYS)
    check_gone(person, receipt)
    check_others(person, before)
    erased = {entry["store"]: entry["erased"] for entry in receipt["stores"]}
    assert erased["warehouse.events"] == 6
    assert erased["event_log"] >= 7
    assert (erased["dead_letters"], erased["exports"], erased["event_errors"]) == (1, 1, 1)
    assert erased["connectors"] == 1

    assert "user_id" in wrong(person.late(person.user_id))
    ok(person.late(person.user_id, None), 202)
    wait_for(lambda: owner.server.get(f"/api/explorer/users/{person.user_id}/").status_code == 200)
    assert len(events_of(owner, person.user_id)) == 1

    lose_warehouse(person.platform)
    wait_for(lambda: segopsctl(person.platform, "events", "replay").returncode == 0, 60)
    wait_for(lambda: len(events_of(owner, STAYS)) == len(before))
    assert events_of(owner, STAYS) == before
    assert len(events_of(owner, person.user_id)) == 1


def test_an_erasure_goes_on_whatever_dies(person: Person) -> None:
    before = events_of(person.owner, STAYS)
    erasure = person.erase()
    wait_for(lambda: person.receipt(erasure)["status"] == "running")
    for service in ("profiles", "warehouse", "segments", "profiles"):
        kill(person.platform, service)
        wait_for(lambda: person.owner.server.get(f"/api/explorer/erasures/{erasure}/").status_code == 200)
    check_gone(person, person.complete(erasure))
    check_others(person, before)


def test_an_unknown_user_is_erased_too_and_an_unknown_erasure_is_not_found(owner: Account, stranger: Account) -> None:
    answer = ok(owner.server.delete("/api/explorer/users/nobody%40example.com/"), 202)
    path = f"/api/explorer/erasures/{answer['id']}/"
    assert ok(owner.server.get(path))["completed_at"] is None
    assert stranger.server.get(path).status_code == 404
    assert owner.server.get("/api/explorer/erasures/0/").status_code == 404
    assert "user_id" in wrong(owner.server.delete(f"/api/explorer/users/{'x' * 257}/"))
