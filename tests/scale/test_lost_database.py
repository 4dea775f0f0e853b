"""The database, another team's, dies under load and comes back: what was answered stays, and all goes on by itself."""

import time

import httpx

from tests.chaos.load import Book
from tests.e2e.account import Account, client, new_key
from tests.e2e.constantly import constantly
from tests.e2e.test_segments import create, did, ok
from tests.running import wait_for
from tests.scale.losing import lose_database, survives
from tests.scale.platform import Edge, Replicated
from tests.scale.writing import Writer

# Enough for all connections of both replicas.
CALLS = 20


async def test_what_was_answered_is_kept_and_calls_go_on_when_it_is_back(
    platform: Replicated, edges: list[Edge], owner: Account
) -> None:
    before = {name: part.pid for name, part in platform.parts.items()}
    segment = create(owner, name="All", definition=did("numbered"))
    writer = Writer([edge.url for edge in edges], owner)

    async def lose_it(platform: Replicated, book: Book) -> None:
        ok(owner.server.post(f"/api/segments/{segment['id']}/compute/"), 202)
        with writer.writing():
            await lose_database(platform, book)

    print(await survives(platform, owner, lose_it), writer.statuses)
    assert writer.kept() == set(writer.made)
    assert set(writer.statuses) <= {201, 503, 504}
    # The compute was queued, or ran, when the database died.
    wait_for(lambda: ok(owner.server.get(f"/api/segments/{segment['id']}/"))["status"] == "computed")
    assert {name: part.pid for name, part in platform.parts.items()} == before


def test_afterwards_every_edge_hears_of_a_revoked_key_within_a_second(edges: list[Edge], owner: Account) -> None:
    key = new_key(owner.person)

    def ask(http: httpx.Client) -> int:
        return http.get("/api/segments/").status_code

    clients = [client(edge.url, f"ApiKey {key['key']}") for edge in edges * 2]
    with constantly(*(lambda http=http: ask(http) for http in clients)) as uses:
        assert all(use.works() for use in uses)
        ok(owner.person.delete(f"/api/auth/api-keys/{key['id']}/"), 204)
        answered = time.monotonic()
        for use in uses:
            use.ends(answered)


def test_not_even_the_first_calls_fail_when_it_is_back(platform: Replicated, edges: list[Edge], owner: Account) -> None:
    """Every connection of every pool has ended meanwhile, and nobody has tried one yet."""
    owner.server.get("/api/segments/membership/?user_id=u")
    platform.database.server.kill()
    platform.database.server.start()
    for edge in edges:
        wait_for(lambda edge=edge: edge.is_ready() and edge.knows_all())  # type: ignore[misc]
    paths = (
        "/api/segments/",
        "/api/segments/membership/?user_id=u",
        "/api/connectors/",
        "/api/ingestion/errors/",
    )
    for edge in edges:
        with client(edge.url, f"ApiKey {owner.key}") as server:
            statuses = {server.get(path).status_code for _ in range(CALLS) for path in paths}
            assert statuses == {200}
            assert server.post("/api/ingestion/track/", json={"user_id": "u", "event_type": "t"}).status_code == 202
