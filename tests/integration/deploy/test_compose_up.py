"""What docker-compose.yml says comes up in its order, and works: an event goes in, and its user is in the segment."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.account import register
from tests.integration.deploy.engine import HERE, Platform
from tests.running import wait_for

DID = {"type": "event_count", "event_type": "order_placed", "operator": "gte", "value": 1}
BUYERS = {"name": "Buyers", "definition": {"logic": "AND", "conditions": [DID]}}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    started = Platform(tmp_path_factory.mktemp("compose"))
    try:
        started.up()
        yield started
    finally:
        started.down()


def test_an_event_becomes_a_membership_through_the_edge(platform: Platform) -> None:
    with register(platform.url) as account:
        event = {"user_id": "ana", "event_type": "order_placed", "payload": {}}
        assert account.server.post("/api/ingestion/track/", json=event).status_code == 202
        path = f"/api/segments/{account.server.post('/api/segments/', json=BUYERS).json()['id']}/"

        def has_member() -> bool:
            account.server.post(f"{path}compute/")
            return bool(account.server.get(path).json()["member_count"])

        wait_for(has_member)
        found = account.server.get("/api/segments/membership/", params={"user_id": "ana"}).json()
        assert "Buyers" in str(found)


def test_no_secret_is_in_what_the_services_write(platform: Platform) -> None:
    for name in platform.names:
        assert not [secret for secret, text in platform.secrets.items() if text in platform.said(name)]


def test_every_service_ends_by_itself_when_it_is_told_to(platform: Platform) -> None:
    assert {name: status for name, status in platform.down().items() if status} == {}


def test_what_a_container_could_not_write_its_process_cannot(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    program = "import pathlib, sys; [pathlib.Path(path).touch() for path in sys.argv[1:]]"
    volume = f"{tmp_path}/volume"
    confined = [sys.executable, f"{HERE}/confined.py", volume, "--", sys.executable, "-c", program]
    subprocess.run([*confined, f"{volume}/file"], check=True)
    ran = subprocess.run([*confined, f"{tmp_path}/file"], check=False, capture_output=True, text=True)
    assert "PermissionError" in ran.stderr
