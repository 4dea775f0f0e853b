"""Links between user ids as the profiles service keeps them, whoever else links at the same time."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from random import Random
from typing import Any

import grpc
import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import delete

from services.gen.segops.profiles.v1 import links_pb2 as pb
from services.gen.segops.profiles.v1 import links_pb2_grpc
from services.kit.caller import Request, serving
from services.kit.persons import Person, person_of
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.kit.visitor_links import VisitorLinks
from services.schema.profiles import user_links
from tests.integration.process import ServiceProcess
from tests.integration.profiles.conftest import Client

IDS = [f"anon_{letter}" for letter in "abcdefgh"]


@pytest_asyncio.fixture
async def database(platform: Settings) -> AsyncIterator[Database]:
    database = Database.connect(platform)
    yield database
    await database.close()


@pytest.fixture
def second(platform: Settings) -> Iterator[ServiceProcess]:
    """Another process of the service."""
    process = ServiceProcess(platform, "profiles", SEGOPS_LISTEN=f"unix://{platform.home}/second.sock")
    process.start()
    yield process
    process.kill()


async def alias(client: Client, anonymous_id: str, user_id: str) -> tuple[str, str, bool]:
    """What the visitor is linked to then, their person, and whether it was linked just now."""
    request = pb.AliasVisitorRequest(anonymous_id=anonymous_id, user_id=user_id)
    linked: pb.LinkedUser = await client.links.AliasVisitor(request, metadata=client.metadata)
    assert linked.user_id == f"anon_{anonymous_id}"
    return linked.linked_to, linked.person_id, linked.linked


async def merge(client: Client, user_id: str, into: str) -> tuple[str, str, bool]:
    request = pb.MergeUsersRequest(from_user_id=user_id, into_user_id=into)
    linked: pb.LinkedUser = await client.links.MergeUsers(request, metadata=client.metadata)
    assert linked.user_id == user_id
    return linked.linked_to, linked.person_id, linked.linked


async def person(database: Database, client: Client, user_id: str) -> Person:
    async with database.tenant(client.tenant_id) as connection:
        return await person_of(connection, client.tenant_id, user_id)


async def test_the_first_alias_wins_and_a_merge_overrides(client: Client, database: Database) -> None:
    assert await alias(client, "a", "ann") == ("ann", "ann", True)
    assert await alias(client, "a", "ann") == ("ann", "ann", False)
    assert await alias(client, "a", "bob") == ("ann", "ann", False)
    assert await merge(client, "anon_a", "bob") == ("bob", "bob", True)
    assert await merge(client, "anon_a", "bob") == ("bob", "bob", False)
    assert await person(database, client, "anon_a") == Person(id="bob", user_ids=("bob", "anon_a"))
    assert await person(database, client, "ann") == Person(id="ann", user_ids=("ann",))


async def test_links_lead_to_the_end_of_their_chain(client: Client, database: Database) -> None:
    await alias(client, "a", "ann")
    await alias(client, "b", "ann")
    assert await merge(client, "ann", "bob") == ("bob", "bob", True)
    everybody = Person(id="bob", user_ids=("bob", "ann", "anon_a", "anon_b"))
    for user_id in everybody.user_ids:
        assert await person(database, client, user_id) == everybody
    assert await alias(client, "c", "ann") == ("ann", "bob", True)
    # Taken out of the chain, with what is linked to it.
    assert await merge(client, "ann", "carl") == ("carl", "carl", True)
    assert (await person(database, client, "bob")).user_ids == ("bob",)
    assert (await person(database, client, "anon_c")).user_ids == ("carl", "ann", "anon_a", "anon_b", "anon_c")


async def test_a_merge_the_other_way_round_ends_the_old_link(client: Client, database: Database) -> None:
    await merge(client, "b", "c")
    await merge(client, "c", "a")
    assert await merge(client, "a", "b") == ("b", "b", True)
    assert await person(database, client, "c") == Person(id="b", user_ids=("b", "a", "c"))
    # It may be linked again then.
    assert await merge(client, "b", "z") == ("z", "z", True)
    assert (await person(database, client, "c")).id == "z"


async def test_an_alias_the_other_way_round_is_a_conflict(client: Client, database: Database) -> None:
    await merge(client, "ann", "anon_a")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await alias(client, "a", "ann")
    assert raised.value.code() == grpc.StatusCode.ABORTED
    # Nothing is left to do for who only knows that the two are one.
    await link_visitors(client, ("anon_a", "ann"), ("anon_b", "ann"))
    assert await person(database, client, "anon_b") == Person(id="anon_a", user_ids=("anon_a", "ann", "anon_b"))


async def link_visitors(client: Client, *pairs: tuple[str, str]) -> None:
    links = [pb.VisitorLink(visitor_id=visitor_id, user_id=user_id) for visitor_id, user_id in pairs]
    await client.links.LinkVisitors(pb.LinkVisitorsRequest(links=links), metadata=client.metadata)


async def test_of_visitors_together_each_keeps_the_first_link(client: Client, database: Database) -> None:
    await alias(client, "a", "ann")
    await link_visitors(client, ("anon_a", "bob"), ("anon_b", "bob"), ("anon_b", "carl"), ("anon_c", "anon_b"))
    assert (await person(database, client, "ann")).user_ids == ("ann", "anon_a")
    assert (await person(database, client, "bob")).user_ids == ("bob", "anon_b", "anon_c")


async def test_a_service_does_not_ask_again_about_whom_it_linked_just_now(
    platform: Settings, client: Client, database: Database
) -> None:
    links = VisitorLinks(platform)
    pairs = [("anon_a", "ann"), ("anon_a", "bob"), ("anon_b", "anon_b")]
    with serving(Request(token=client.metadata[0][1])):
        await links.link(client.tenant_id, pairs)
        assert (await person(database, client, "anon_a")).id == "ann"
        async with database.tenant(client.tenant_id) as connection:
            await connection.execute(delete(user_links))
        await links.link(client.tenant_id, pairs)
        assert (await person(database, client, "anon_a")).id == "anon_a"
        await links.link(client.tenant_id, [*pairs, ("anon_c", "ann")])
        assert (await person(database, client, "ann")).user_ids == ("ann", "anon_c")
    await links.close()


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        (pb.AliasVisitorRequest(), ["anonymous_id", "user_id"]),
        (pb.AliasVisitorRequest(anonymous_id="a" * 252, user_id="u" * 257), ["anonymous_id", "user_id"]),
        (pb.AliasVisitorRequest(anonymous_id="a\n", user_id="u\x00"), ["anonymous_id", "user_id"]),
        (pb.AliasVisitorRequest(anonymous_id="a", user_id="anon_a"), ["user_id"]),
        (pb.MergeUsersRequest(from_user_id="", into_user_id="\x7f"), ["from_user_id", "into_user_id"]),
        (pb.MergeUsersRequest(from_user_id="u", into_user_id="u"), ["into_user_id"]),
    ],
    ids=str,
)
async def test_every_wrong_field_is_named(
    client: Client, request_: pb.AliasVisitorRequest | pb.MergeUsersRequest, wrong: list[str]
) -> None:
    is_alias = isinstance(request_, pb.AliasVisitorRequest)
    method: Any = client.links.AliasVisitor if is_alias else client.links.MergeUsers
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await method(request_, metadata=client.metadata)
    trailing = dict(raised.value.trailing_metadata() or ())
    assert sorted(json.loads(trailing["x-http-body"])) == wrong


async def test_the_longest_ids_are_linked(client: Client, database: Database) -> None:
    longest = "é" * 251
    await alias(client, longest, "u" * 256)
    assert (await person(database, client, f"anon_{longest}")).id == "u" * 256


async def test_links_of_another_tenant_do_not_matter(platform: Settings, client: Client, database: Database) -> None:
    await alias(client, "a", "ann")
    other = Client(platform)
    assert await alias(other, "a", "bob") == ("bob", "bob", True)
    assert (await person(database, client, "anon_a")).id == "ann"
    assert (await person(database, other, "ann")).user_ids == ("ann",)
    await other.close()


async def test_a_person_has_at_most_a_thousand_ids(client: Client, database: Database) -> None:
    most = [pb.VisitorLink(visitor_id=f"anon_{number}", user_id="ann") for number in range(998)]
    for some in (most[:500], most[500:]):
        await client.links.LinkVisitors(pb.LinkVisitorsRequest(links=some), metadata=client.metadata)
    await merge(client, "bob", "anon_bob")
    for attempt in (alias(client, "bob", "ann"), merge(client, "ann", "anon_bob"), merge(client, "anon_bob", "ann")):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await attempt
        assert raised.value.code() == grpc.StatusCode.ABORTED
    # What can be linked is.
    await link_visitors(client, ("anon_bob", "ann"), ("anon_carl", "carl"), ("anon_last", "ann"), ("anon_more", "ann"))
    assert len((await person(database, client, "ann")).user_ids) == 1_000
    assert (await person(database, client, "anon_last")).id == "ann"
    assert (await person(database, client, "anon_more")).id == "anon_more"
    assert (await person(database, client, "anon_carl")).id == "carl"
    # All of them move, and may turn round.
    assert await merge(client, "ann", "anon_0") == ("anon_0", "anon_0", True)
    assert len((await person(database, client, "ann")).user_ids) == 1_000


def rows(platform: Settings, client: Client, after: int = 0) -> list[tuple[str, str, str, int]]:
    """User, what it is linked to, person and version, in the order of versions."""
    query = """
        SELECT user_id, linked_to, person_id, version FROM user_links
        WHERE tenant_id = %s AND version > %s ORDER BY version"""
    with psycopg.connect(platform.libpq_dsn) as connection:
        return connection.execute(query, (client.tenant_id, after)).fetchall()


def check_whole(found: list[tuple[str, str, str, int]]) -> None:
    """No circle, and every row knows its person."""
    links = {user_id: linked_to for user_id, linked_to, _, _ in found if linked_to != user_id}
    for user_id, _, person_id, _ in found:
        place, steps = user_id, 0
        while place in links:
            place, steps = links[place], steps + 1
            assert steps <= len(links)
        assert person_id == place


async def link_at_random(stub: Any, client: Client, random: Random, times: int) -> None:
    for _ in range(times):
        one, other = random.sample(IDS, 2)
        with suppress(grpc.aio.AioRpcError):
            if random.random() < 0.5:
                alias_ = pb.AliasVisitorRequest(anonymous_id=one.removeprefix("anon_"), user_id=other)
                await stub.AliasVisitor(alias_, metadata=client.metadata)
            else:
                merge_ = pb.MergeUsersRequest(from_user_id=one, into_user_id=other)
                await stub.MergeUsers(merge_, metadata=client.metadata)


async def test_two_who_link_at_once_and_one_that_is_killed_leave_whole_links(
    platform: Settings, client: Client, second: ServiceProcess
) -> None:
    mirror: dict[str, str] = {}
    position = 0

    async def follow() -> None:
        """Takes what is new as the warehouse's mirror does: nothing may be committed behind its position."""
        nonlocal position
        while True:
            for user_id, _, person_id, version in rows(platform, client, after=position):
                mirror[user_id], position = person_id, version
            await asyncio.sleep(0)

    async with grpc.aio.insecure_channel(f"unix://{platform.home}/second.sock") as channel:
        stubs = (client.links, client.links, *[links_pb2_grpc.LinksServiceStub(channel)] * 2)
        linking = [
            asyncio.create_task(link_at_random(stub, client, Random(seed), 60)) for seed, stub in enumerate(stubs)
        ]
        following = asyncio.create_task(follow())
        async with asyncio.timeout(30):
            while len(mirror) < len(IDS) - 2:
                await asyncio.sleep(0.01)
        second.kill()
        await asyncio.gather(*linking)
    found = rows(platform, client)
    async with asyncio.timeout(10):
        while position < found[-1][3]:
            await asyncio.sleep(0.01)
    following.cancel()
    check_whole(found)
    assert mirror == {user_id: person_id for user_id, _, person_id, _ in found}
    # The lock of the one that was killed is nobody's.
    assert (await merge(client, "after", "all"))[2]


async def test_of_two_who_alias_a_visitor_at_once_one_wins(client: Client) -> None:
    for visitor in range(10):
        found = await asyncio.gather(*(alias(client, str(visitor), f"user {number}") for number in range(4)))
        assert sorted(linked for _, _, linked in found) == [False, False, False, True]
        assert len({linked_to for linked_to, _, _ in found}) == 1
