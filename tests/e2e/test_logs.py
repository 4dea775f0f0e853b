"""Logs of all processes: whoever looks for a request or for a tenant finds every line."""

import json
import secrets
from typing import Any

import pytest

from tests.e2e.account import Account
from tests.running import Running, wait_for

UNKNOWN = 2_147_483_647
# Requests of which each of the processes says something, because they are refused or change something.
REQUESTS = {
    "identity": ("POST", "/api/auth/api-keys/", {"name": "logged"}),
    "ingestion": ("POST", "/api/ingestion/track/", {"user_id": "ana"}),
    "segments": ("POST", "/api/segments/", {"name": "Logged"}),
    "connectors": ("GET", f"/api/connectors/{UNKNOWN}/", None),
    "profiles": ("GET", "/api/explorer/users/nobody/", None),
    "warehouse": ("GET", "/api/explorer/users/nobody/", None),
    "envoy": ("GET", f"/api/segments/{UNKNOWN}/", None),
}


def lines(platform: Running, process: str, request_id: str) -> list[dict[str, Any]]:
    """What a process says of a request, as soon as it does."""
    log = platform.settings.home / "log" / f"{process}.log"

    def said() -> list[dict[str, Any]]:
        text = log.read_text(errors="replace")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{") and request_id in line]

    return wait_for(said)


@pytest.mark.parametrize(("process", "request_"), REQUESTS.items(), ids=REQUESTS.keys())
def test_every_line_of_a_request_names_it_and_its_tenant(
    platform: Running, owner: Account, process: str, request_: tuple[str, str, Any]
) -> None:
    method, path, body = request_
    request_id = f"logged-{secrets.token_hex(8)}"
    client = owner.person if process == "identity" else owner.server
    client.request(method, path, json=body, headers={"x-request-id": request_id})
    for line in lines(platform, process, request_id):
        assert line["request_id"] == request_id
        assert int(line["tenant_id"]) == owner.tenant_id
        assert line["process"] == process


def test_the_work_that_a_request_queues_has_its_id_and_its_tenant(platform: Running, owner: Account) -> None:
    request_id = f"logged-{secrets.token_hex(8)}"
    definition = {
        "logic": "AND",
        "conditions": [{"type": "event_count", "event_type": "x", "operator": "gte", "value": 1}],
    }
    segment = owner.server.post("/api/segments/", json={"name": "Logged", "definition": definition}).json()
    owner.server.post(f"/api/segments/{segment['id']}/compute/", headers={"x-request-id": request_id})

    def computed() -> list[dict[str, Any]]:
        return [line for line in lines(platform, "segments", request_id) if line["message"] == "computed"]

    [line] = wait_for(computed)
    assert (line["request_id"], line["tenant_id"]) == (request_id, owner.tenant_id)
