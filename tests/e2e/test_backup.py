"""A backup of a busy platform, restored into an empty one, which then is what the first one was."""

import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli.backup import manifest, restoring
from cli.backup.manifest import NoBackup
from cli.backup.progress import Meter
from deploy.local.programs import build_programs
from services.kit.keys import CONNECTORS_KEY, secret
from services.kit.settings import Settings
from services.kit.vault import Vault
from tests.e2e.account import PASSWORD, Account, client, register
from tests.e2e.tenancy.contents import rows
from tests.e2e.test_segments import compute, create, did, ok
from tests.running import Running, environment, free_port_pair, is_ready, wait_for
from tests.whole_platform import START_SECONDS

API_KEY = "pk_the_key_of_a_tool"
LONG_AGO = "2026-04-25T14:32:00Z"
ERASED = "erased@example.com"
BACKENDS = ("postgres", "nats", "warehouse")


class Load:
    """Events that are sent without a pause; `accepted` are the ids of those that were acknowledged."""

    def __init__(self, owner: Account) -> None:
        self._owner = owner
        self._stop = threading.Event()
        self.accepted: list[str] = []
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> "Load":
        self._thread.start()
        wait_for(lambda: len(self.accepted) > 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        while not self._stop.is_set():
            users = [f"load-{secrets.token_hex(6)}" for _ in range(5)]
            events = [{"user_id": user, "event_type": "loaded", "message_id": user} for user in users]
            answer = self._owner.server.post("/api/ingestion/track/batch/", json={"events": events})
            if answer.status_code == 202:
                self.accepted += users


@dataclass
class World:
    """The platform that was backed up and the one that was made of it; `account` is the same person in both."""

    before: Running
    after: Running
    owner: Account
    account: Account
    backup: Path
    segment: int
    export: int
    acknowledged: list[str]
    later: list[str]
    shown: dict[str, Any]


def segopsctl(settings: Settings, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cli", *map(str, arguments)]
    return subprocess.run(command, env=environment(settings), capture_output=True, text=True, check=False)


def done(finished: "subprocess.CompletedProcess[str]") -> str:
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def fill(owner: Account) -> tuple[int, int]:
    """Something in every store; a segment and an export."""
    events: list[dict[str, Any]] = [
        {"user_id": user, "event_type": "bought", "occurred_at": LONG_AGO, "message_id": f"{user}-1"}
        for user in ("ann", "bob", "anon_tab", ERASED)
    ]
    events.append({"user_id": "ann", "event_type": "context_identified", "payload": {"city": "Köln"}})
    ok(owner.server.post("/api/ingestion/track/batch/", json={"events": [*events, *events[:1]]}), 202)
    wait_for(lambda: ok(owner.server.get("/api/explorer/users/"))["count"] == 4)
    erasure = ok(owner.server.delete(f"/api/explorer/users/{ERASED}/"), 202)["id"]
    body = {"anonymous_id": "tab", "user_id": "bob"}
    assert owner.server.post("/api/identity/alias/", json=body).is_success
    segment = int(create(owner, name="Buyers", definition=did("bought"))["id"])
    compute(owner, segment)
    config = {"api_key": API_KEY, "list_id": "AbCd12"}
    connector = {"segment": segment, "connector_type": "klaviyo", "config": config}
    ok(owner.server.post("/api/activations/", json=connector), 201)
    path = f"/api/segments/{segment}/export/"
    export = int(ok(owner.server.post(path, json={"format": "csv"}), 202)["id"])
    wait_for(lambda: ok(owner.server.get(f"{path}?export_id={export}"))["status"] == "complete")
    wait_for(lambda: ok(owner.server.get(f"/api/explorer/erasures/{erasure}/"))["status"] == "complete", 60)
    return segment, export


@contextmanager
def running(settings: Settings, *programs: str) -> Iterator[Running]:
    platform = Running(settings.home, *programs, port=settings.edge_port)
    try:
        yield platform
    finally:
        platform.stop()


def restore(settings: Settings, backup: Path) -> str:
    """Into an empty platform, as docs/backup.md says."""
    assert restoring.put_secrets(settings, backup)
    with running(settings, *BACKENDS):
        return done(segopsctl(settings, "backup", "restore", backup, "--json"))


@pytest.fixture(scope="module")
def world(platform: Running, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    backup = tmp_path_factory.mktemp("backup") / "one"
    settings = Settings(data_dir=tmp_path_factory.mktemp("restored") / "data", edge_port=free_port_pair())
    with ExitStack() as stack:
        owner = stack.enter_context(register(url))
        segment, export = fill(owner)
        with Load(owner) as load:
            acknowledged = list(load.accepted)
            with ThreadPoolExecutor(1) as pool:
                making = pool.submit(segopsctl, platform.settings, "backup", "create", backup, "--with-secrets")
                wait_for((backup / "postgres").exists)
                while not making.done():
                    stack.enter_context(register(url))
            done(making.result())
        shown = json.loads(restore(settings, backup))
        programs = [program.name for program in build_programs(settings)]
        after = stack.enter_context(running(settings, *programs))
        restored_url = f"http://127.0.0.1:{settings.edge_port}"
        wait_for(lambda: is_ready(restored_url), START_SECONDS)
        with client(restored_url) as anybody:
            answer = anybody.post("/api/auth/token/", json={"email": owner.email, "password": PASSWORD})
            access = ok(answer)["access"]
        account = Account(
            email=owner.email,
            slug=owner.slug,
            tenant_id=owner.tenant_id,
            access=access,
            refresh="",
            key=owner.key,
            person=stack.enter_context(client(restored_url, f"Bearer {access}")),
            server=stack.enter_context(client(restored_url, f"ApiKey {owner.key}")),
        )
        yield World(
            before=platform,
            after=after,
            owner=owner,
            account=account,
            backup=backup,
            segment=segment,
            export=export,
            acknowledged=acknowledged,
            later=load.accepted,
            shown=shown,
        )


def users(account: Account) -> dict[str, int]:
    """Everybody's events."""
    found: dict[str, int] = {}
    path = "/api/explorer/users/?limit=200"
    while path:
        page = ok(account.server.get(path))
        found |= {user["user_id"]: user["event_count"] for user in page["results"]}
        path = page.get("next") or ""
    return found


def test_every_row_of_the_tenant_is_there(world: World) -> None:
    before, after = (rows(platform, world.owner.tenant_id) for platform in (world.before, world.after))
    # What came to the first platform, and what was said to the second one, after the backup.
    for table in ("idempotent_answers", "refresh_tokens", "event_counts"):
        before.pop(table), after.pop(table)
    assert {table: len(found) for table, found in after.items()} == {
        table: len(found) for table, found in before.items()
    }
    assert after == before
    assert {"erasures", "erased_users", "user_links", "memberships", "membership_changes", "activations"} <= {
        table for table, found in after.items() if found
    }


def test_what_was_acknowledged_before_the_backup_is_there_once_and_nothing_twice(world: World) -> None:
    here = users(world.account)
    loaded = {user: count for user, count in here.items() if user.startswith("load-")}
    assert set(world.acknowledged) <= set(loaded) <= set(world.later)
    assert set(loaded.values()) == {1}
    assert {user: count for user, count in here.items() if user not in loaded} == {"ann": 2, "bob": 2}


def test_the_log_has_every_message_of_the_backup(world: World) -> None:
    for stream in world.shown["streams"].values():
        assert stream["part"]["count"] == stream["meta"]["state"]["messages"]
    assert world.shown["streams"]["EVENTS"]["part"]["count"] > 0


def test_segments_answer_and_compute_as_before(world: World) -> None:
    answers = []
    for account in (world.owner, world.account):
        compute(account, world.segment)
        membership = ok(account.server.get("/api/segments/membership/?user_id=ann"))["segments"]
        members = ok(account.server.get(f"/api/segments/{world.segment}/members/"))["results"]
        answers.append(([one["segment_id"] for one in membership], [one["user_id"] for one in members]))
    assert answers[0] == answers[1]
    assert answers[0][0] == [world.segment]


def test_properties_exports_and_secrets_can_be_read(world: World) -> None:
    assert ok(world.account.server.get("/api/explorer/users/ann/"))["properties"]["city"] == "Köln"
    path = f"/api/segments/exports/{world.export}/download/"
    assert world.account.server.get(path).text == world.owner.server.get(path).text != ""
    with psycopg.connect(world.after.settings.libpq_dsn) as connection:
        sealed = connection.execute("SELECT secrets FROM activations WHERE tenant_id = %s", [world.owner.tenant_id])
        row = sealed.fetchone()
    assert row is not None
    assert Vault([secret(world.after.settings, CONNECTORS_KEY)]).unseal_all(row[0]) == {"api_key": API_KEY}


def test_a_message_id_of_before_is_known_and_who_was_erased_stays_so(world: World) -> None:
    events = [
        {"user_id": user, "event_type": "bought", "occurred_at": LONG_AGO, "message_id": f"{user}-1"}
        for user in ("ann", ERASED)
    ]
    fresh = {"user_id": "new", "event_type": "bought"}
    ok(world.account.server.post("/api/ingestion/track/batch/", json={"events": [*events, fresh]}), 202)
    wait_for(lambda: "new" in users(world.account))
    here = users(world.account)
    assert here["ann"] == 2
    assert ERASED not in here


def test_an_id_that_was_given_out_during_the_backup_is_given_to_nobody_else(world: World) -> None:
    with psycopg.connect(world.after.settings.libpq_dsn) as connection:
        row = connection.execute("SELECT max(id) FROM tenants").fetchone()
    given_out = world.shown["sequences"]["tenants_id_seq"]
    assert row is not None
    assert row[0] < given_out, "somebody registered after the tenants were copied"
    with register(f"http://127.0.0.1:{world.after.settings.edge_port}") as other:
        assert other.tenant_id > given_out
        assert users(other) == {}


def test_a_backup_is_its_owners_alone(world: World) -> None:
    assert world.backup.stat().st_mode & 0o777 == 0o700
    files = [path for path in world.backup.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files if path.name != "manifest.json"} == {0o600}
    assert world.shown["secrets"]


def test_a_system_that_is_not_empty_is_refused(world: World) -> None:
    with pytest.raises(NoBackup, match="identity runs"):
        restoring.restore(world.after.settings, world.backup, Meter())
    with pytest.raises(NoBackup, match="holds keys and secrets already"):
        restoring.put_secrets(world.after.settings, world.backup)
    refused = segopsctl(world.after.settings, "backup", "create", world.backup)
    assert (refused.returncode, "is not empty" in refused.stderr) == (1, True)


def test_a_damaged_backup_is_refused(world: World) -> None:
    made = manifest.read(world.backup)
    restoring.verify(world.backup, made, Meter())
    events = world.backup / "warehouse" / "events.tsv.zst"
    content = events.read_bytes()
    try:
        events.write_bytes(content[:-1] + b"x")
        with pytest.raises(NoBackup, match=r"events\.tsv\.zst"):
            restoring.verify(world.backup, made, Meter())
    finally:
        events.write_bytes(content)
    with pytest.raises(NoBackup, match="no backup"):
        manifest.read(world.backup.parent)
