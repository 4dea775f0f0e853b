"""Users as the explorer shows them, from events that came in through the event log."""

import asyncio
import json

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict, ParseDict

from services.gen.segops.profiles.v1 import profiles_pb2 as pb
from services.gen.segops.segments.v1 import segments_pb2
from tests.integration.profiles.conftest import Client

ANN = "ann@example.com"
EVENTS: list[dict[str, object]] = [
    {
        "user_id": ANN,
        "event_type": "order_placed",
        "occurred_at": "2026-04-01T10:00:00.250Z",
        "payload": {"total": 12.5, "items": [{"sku": "a\\b", "note": "\0\n\t é"}]},
    },
    {"user_id": ANN, "event_type": "page_viewed", "occurred_at": "2026-04-02T10:00:00Z", "anonymous_id": "cookie"},
    {
        "user_id": ANN,
        "event_type": "context_identified",
        "occurred_at": "2026-04-03T10:00:00Z",
        "payload": {"plan": "pro", "age": 40},
    },
    {"user_id": "joann", "event_type": "order_placed", "occurred_at": "2026-04-02T11:00:00Z"},
    {"user_id": "bob/100% _", "event_type": "order_placed", "occurred_at": "2026-04-02T12:00:00Z"},
]


async def publish(client: Client) -> None:
    """Sends EVENTS and returns when all of them can be seen."""
    body = HttpBody(content_type="application/json", data=json.dumps({"events": EVENTS}).encode())
    answer = await client.ingestion.TrackBatch(body, metadata=client.metadata)
    assert (answer.queued, answer.skipped) == (len(EVENTS), 0)
    async with asyncio.timeout(20):
        while True:
            page = await client.profiles.SearchUsers(pb.SearchUsersRequest(), metadata=client.metadata)
            if sum(user.event_count for user in page.results) == len(EVENTS):
                break
            await asyncio.sleep(0.05)
        # Properties have a table of their own, which is filled a moment later.
        while not (await client.profiles.GetUser(pb.GetUserRequest(user_id=ANN), metadata=client.metadata)).properties:
            await asyncio.sleep(0.05)


async def test_users_are_found_by_a_part_of_their_id_prefixes_first(client: Client) -> None:
    await publish(client)
    page = await client.profiles.SearchUsers(pb.SearchUsersRequest(q="ann"), metadata=client.metadata)
    assert [user.user_id for user in page.results] == [ANN, "joann"]
    assert page.count == 2
    first = MessageToDict(page.results[0], preserving_proto_field_name=True)
    assert first == {
        "user_id": ANN,
        "event_count": 3,
        "first_seen": "2026-04-01T10:00:00.250Z",
        "last_seen": "2026-04-03T10:00:00Z",
    }
    percent = await client.profiles.SearchUsers(pb.SearchUsersRequest(q="% _"), metadata=client.metadata)
    assert [user.user_id for user in percent.results] == ["bob/100% _"]
    paged = await client.profiles.SearchUsers(pb.SearchUsersRequest(limit=1, offset=1), metadata=client.metadata)
    assert (paged.count, len(paged.results)) == (3, 1)
    assert "offset=2" in paged.next.string_value
    assert paged.previous.HasField("string_value")


async def test_a_user_has_totals_and_the_newest_properties(client: Client) -> None:
    await publish(client)
    user = await client.profiles.GetUser(pb.GetUserRequest(user_id=ANN), metadata=client.metadata)
    assert MessageToDict(user, preserving_proto_field_name=True) == {
        "user_id": ANN,
        "event_count": 3,
        "event_type_count": 3,
        "first_seen": "2026-04-01T10:00:00.250Z",
        "last_seen": "2026-04-03T10:00:00Z",
        "properties": {"plan": "pro", "age": 40},
    }
    bob = await client.profiles.GetUser(pb.GetUserRequest(user_id="bob/100% _"), metadata=client.metadata)
    assert MessageToDict(bob.properties) == {}


async def test_events_are_listed_newest_first_by_type_and_time(client: Client) -> None:
    await publish(client)

    async def types(**search: str | int) -> list[str]:
        request = ParseDict({"user_id": ANN, **search}, pb.ListUserEventsRequest())
        page = await client.profiles.ListUserEvents(request, metadata=client.metadata)
        return [event.event_type for event in page.results]

    assert await types() == ["context_identified", "page_viewed", "order_placed"]
    assert await types(event_type="page_viewed") == ["page_viewed"]
    assert await types(since="2026-04-02T10:00:00Z") == ["context_identified", "page_viewed"]
    assert await types(until="2026-04-02T12:00:00+02:00") == ["order_placed"]
    assert await types(limit=1, page=3) == ["order_placed"]
    request = pb.ListUserEventsRequest(user_id=ANN, event_type="order_placed")
    page = await client.profiles.ListUserEvents(request, metadata=client.metadata)
    [order] = page.results
    assert page.count == 1
    assert MessageToDict(order.payload) == EVENTS[0]["payload"]
    assert order.occurred_at.ToJsonString() == "2026-04-01T10:00:00.250Z"


async def test_an_unknown_user_is_not_found_and_has_no_events_and_no_segments(client: Client) -> None:
    await publish(client)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await client.profiles.GetUser(pb.GetUserRequest(user_id="nobody"), metadata=client.metadata)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    request = pb.ListUserEventsRequest(user_id="nobody")
    assert (await client.profiles.ListUserEvents(request, metadata=client.metadata)).count == 0
    assert await segments_of(client, "nobody") == []


async def test_another_tenants_users_are_unknown(platform: object, client: Client) -> None:
    page = await client.profiles.SearchUsers(pb.SearchUsersRequest(), metadata=client.metadata)
    assert (page.count, len(page.results)) == (0, 0)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await client.profiles.GetUser(pb.GetUserRequest(user_id=ANN), metadata=client.metadata)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


async def test_wrong_fields_are_named(client: Client) -> None:
    request = pb.ListUserEventsRequest(user_id="u", since="monday", limit=201)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await client.profiles.ListUserEvents(request, metadata=client.metadata)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    trailing = dict(raised.value.trailing_metadata() or ())
    assert set(json.loads(trailing["x-http-body"])) == {"since", "limit"}


async def test_segments_of_a_user_are_listed_by_name_with_their_size(client: Client) -> None:
    await publish(client)
    condition = {"type": "event_count", "event_type": "order_placed", "operator": "gte", "value": 1}
    definition = {"logic": "AND", "conditions": [condition]}
    for name in ("buyers", "also buyers"):
        request = ParseDict({"name": name, "definition": definition}, segments_pb2.CreateSegmentRequest())
        segment = await client.segments.CreateSegment(request, metadata=client.metadata)
        compute = segments_pb2.ComputeSegmentRequest(id=segment.id)
        await client.segments.ComputeSegment(compute, metadata=client.metadata)
    async with asyncio.timeout(20):
        while True:
            found = await segments_of(client, "joann")
            if len(found) == 2:
                break
            await asyncio.sleep(0.05)
    assert [(item.segment_name, item.member_count) for item in found] == [("also buyers", 3), ("buyers", 3)]
    assert all(item.HasField("computed_at") for item in found)


async def segments_of(client: Client, user_id: str) -> list[pb.UserSegment]:
    request = pb.ListUserSegmentsRequest(user_id=user_id)
    return [item async for item in client.profiles.ListUserSegments(request, metadata=client.metadata)]
