"""Two of every service behind two edges are one platform: whatever was done by one is there for the other."""

import itertools
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.e2e.account import PASSWORD, Account, client, new_key
from tests.e2e.test_connectors import AUDIENCE, sending, talon
from tests.e2e.test_segments import did, ok
from tests.running import wait_for
from tests.scale.platform import REPLICATED, Edge
from tests.standins.talonone import TalonOne

__all__ = ["talon"]

# So many calls that each edge has asked each replica.
MANY = 12


class Everywhere:
    """One caller of both edges, who asks another one each time."""

    def __init__(self, clients: list[httpx.Client]) -> None:
        self._clients = itertools.cycle(clients)
        self.clients = clients

    def __call__(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """The body of an answer with this status."""
        return ok(next(self._clients).request(method, path, **options), status)

    def becomes(self, expected: object, ask: Callable[[], object]) -> None:
        """Returns when what is asked is answered as expected, and so it is however often it is asked again."""
        wait_for(lambda: ask() == expected)
        assert [ask() for _ in range(MANY)] == [expected] * MANY


@pytest.fixture
def everywhere(edges: list[Edge], owner: Account) -> Iterator[Everywhere]:
    """A server of the tenant."""
    with ExitStack() as stack:
        yield Everywhere([stack.enter_context(client(edge.url, f"ApiKey {owner.key}")) for edge in edges])


def test_a_tenants_whole_story_takes_place_on_all_replicas(
    edges: list[Edge], owner: Account, everywhere: Everywhere, talon: TalonOne
) -> None:
    segment = everywhere("POST", "/api/segments/", 201, json={"name": "Buyers", "definition": did("bought")})
    connector = everywhere("POST", "/api/connectors/", 201, json=sending(segment["id"], talon))
    everywhere("PATCH", f"/api/connectors/{connector['id']}/", json={"status": "active"})
    for number in range(MANY):
        event = {"user_id": f"u{number}", "event_type": "bought", "message_id": f"m{number}"}
        everywhere("POST", "/api/ingestion/track/", 202, json=event)
        everywhere("POST", "/api/ingestion/track/", 202, json=event)
    everywhere.becomes(MANY, lambda: everywhere("GET", "/api/explorer/users/")["count"])
    everywhere("POST", f"/api/segments/{segment['id']}/compute/", 202)
    place = f"/api/segments/{segment['id']}/"
    everywhere.becomes("computed", lambda: everywhere("GET", place)["status"])
    membership = f"/api/segments/membership/?user_id=u1&segment_id={segment['id']}"
    everywhere.becomes(1, lambda: len(everywhere("GET", membership)["segments"]))
    wait_for(lambda: talon.audiences[AUDIENCE] == {f"u{number}" for number in range(MANY)})
    explained = f"/api/explorer/users/u1/segments/{segment['id']}/explain/"
    everywhere.becomes(True, lambda: everywhere("GET", explained)[0]["matches"])
    erased = everywhere("DELETE", "/api/explorer/users/u1/", 202)
    status = f"/api/explorer/erasures/{erased['id']}/"
    wait_for(lambda: everywhere("GET", status)["status"] == "complete")
    everywhere.becomes(MANY - 1, lambda: everywhere("GET", "/api/explorer/users/")["count"])
    everywhere.becomes(0, lambda: len(everywhere("GET", membership)["segments"]))
    for path in ("/api/connectors/", "/.well-known/jwks.json"):
        for _ in range(2 * MANY):
            everywhere("GET", path)
    assert all(asked(edge, service) for edge in edges for service in REPLICATED)


def asked(edge: Edge, service: str) -> bool:
    """Whether an edge has asked both replicas of a service."""
    return all(
        any(stat["name"] == "rq_total" and int(stat.get("value", 0)) for stat in replica["stats"])
        for replica in edge.replicas(service)
    )


def test_a_post_with_a_key_is_done_once_though_it_comes_to_all_at_the_same_time(everywhere: Everywhere) -> None:
    headers = {"idempotency-key": secrets.token_hex(8)}

    def make(http: httpx.Client) -> httpx.Response:
        def done() -> httpx.Response | None:
            answer = http.post("/api/segments/", json={"name": "Once"}, headers=headers)
            return None if answer.status_code == 409 else answer

        return wait_for(done)

    with ThreadPoolExecutor(MANY) as threads:
        answers = list(threads.map(make, everywhere.clients * (MANY // 2)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert [answer.headers.get("idempotent-replayed") for answer in answers].count(None) == 1
    assert everywhere("GET", "/api/segments/")["count"] == 1


def test_refused_events_are_listed_by_either_replica(everywhere: Everywhere) -> None:
    for _ in range(MANY):
        everywhere(
            "POST", "/api/ingestion/track/", 400, json={"user_id": "u", "event_type": "t", "occurred_at": "soon"}
        )
    everywhere.becomes(MANY, lambda: everywhere("GET", "/api/ingestion/errors/")["count"])


def test_a_schema_holds_on_every_replica_within_a_second(everywhere: Everywhere) -> None:
    event = {"user_id": "u", "event_type": "order", "payload": {}}
    for _ in range(MANY):
        everywhere("POST", "/api/ingestion/track/", 202, json=event)
    total = {"name": "total", "type": "number", "required": True}
    everywhere("POST", "/api/schemas/", 201, json={"event_type": "order", "properties": [total]})

    def refused() -> list[int]:
        return [http.post("/api/ingestion/track/", json=event).status_code for http in everywhere.clients * MANY]

    wait_for(lambda: set(refused()) == {400}, 1)


def test_who_signed_in_at_one_edge_is_known_at_the_other(edges: list[Edge], owner: Account) -> None:
    body = {"email": owner.email, "password": PASSWORD}
    with ExitStack() as stack:
        strangers = [stack.enter_context(client(edge.url)) for edge in edges]
        for number in range(4):
            signed = ok(strangers[number % 2].post("/api/auth/token/", json=body))
            shown = {"authorization": f"Bearer {signed['access']}"}
            renewed = ok(
                strangers[1 - number % 2].post("/api/auth/token/refresh/", json={"refresh": signed["refresh"]})
            )
            assert renewed["access"]
            for stranger in strangers * 2:
                assert ok(stranger.get("/api/auth/me/", headers=shown))["user"]["email"] == owner.email


def test_a_new_key_works_everywhere_at_once(edges: list[Edge], owner: Account) -> None:
    for _ in range(MANY):
        key = new_key(owner.person)["key"]
        for edge in edges:
            with client(edge.url, f"ApiKey {key}") as server:
                ok(server.get("/api/segments/"))
