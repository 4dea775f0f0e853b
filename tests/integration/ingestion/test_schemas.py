"""The schema registry: schemas are kept for their tenant, and events are checked by them."""

import json

import grpc
import pytest
from nats.js import JetStreamContext

from services.gen.segops.ingestion.v1 import schemas_pb2 as pb
from services.ingestion.schema_registry import MAX_SCHEMAS
from services.kit.errors import Forbidden, Invalid, NotFound
from services.kit.wire import nullable
from tests.integration.ingestion.conftest import Client, Platform, eventually, stored
from tests.integration.ingestion.declared import TOTAL, Registry, listed

PAID = {"name": "paid", "type": "boolean"}
TAKEN = {"event_type": ["This event type has a schema already."]}


@pytest.fixture
def registry(platform: Platform, channel: grpc.aio.Channel, client: Client) -> Registry:
    """The schemas of the client's tenant."""
    return Registry(platform.settings, channel, client.tenant_id)


async def holds(client: Client, payload: str) -> None:
    """Returns when a payload is refused for an order."""

    async def is_refused() -> bool:
        return (await client.track_batch(order(payload))).skipped == 1

    await eventually(is_refused)


def order(*payloads: str) -> str:
    events = [f'{{"user_id": "u-{i}", "event_type": "order", "payload": {text}}}' for i, text in enumerate(payloads)]
    return f'{{"events": [{", ".join(events)}]}}'


async def test_a_schema_reads_back_as_it_was_made(registry: Registry) -> None:
    made = await registry.create("order", TOTAL, PAID)
    assert made == await registry.call("GetSchema", pb.GetSchemaRequest(id=made.id))
    assert made.event_type == "order"
    assert list(made.properties) == [
        pb.Property(name="total", type="number", required=True),
        pb.Property(name="paid", type="boolean", required=False),
    ]
    assert made.created_at == made.updated_at
    assert made.created_at.nanos == 0


async def test_schemas_are_listed_by_event_type(registry: Registry) -> None:
    made = {name: await registry.create(name, TOTAL) for name in ("b", "c", "B", "a")}
    page = await registry.call("ListSchemas", pb.ListSchemasRequest(limit=2, offset=1))
    assert (page.count, list(page.results)) == (4, [made["a"], made["b"]])


async def test_a_replacement_needs_every_field_and_a_change_those_it_changes(registry: Registry) -> None:
    made = await registry.create("order", TOTAL)
    with pytest.raises(Invalid) as raised:
        await registry.call("ReplaceSchema", pb.ReplaceSchemaRequest(id=made.id, event_type=nullable("bill")))
    assert raised.value.fields == {"properties": ["This field is required."]}
    changed = await registry.call("UpdateSchema", pb.UpdateSchemaRequest(id=made.id, event_type=nullable("bill")))
    assert (changed.event_type, changed.properties) == ("bill", made.properties)
    replacement = pb.ReplaceSchemaRequest(id=made.id, event_type=nullable("order"), properties=listed(PAID))
    replaced = await registry.call("ReplaceSchema", replacement)
    assert [one.name for one in replaced.properties] == ["paid"]
    assert await registry.call("UpdateSchema", pb.UpdateSchemaRequest(id=made.id)) == replaced


async def test_an_event_type_has_one_schema(registry: Registry) -> None:
    await registry.create("order", TOTAL)
    other = await registry.create("bill", TOTAL)
    for attempt in (
        registry.create("order", PAID),
        registry.call("UpdateSchema", pb.UpdateSchemaRequest(id=other.id, event_type=nullable("order"))),
    ):
        with pytest.raises(Invalid) as raised:
            await attempt
        assert raised.value.fields == TAKEN


async def test_wrong_fields_are_told_all_at_once(registry: Registry) -> None:
    with pytest.raises(Invalid) as raised:
        await registry.create("", {"name": "a", "type": "foo"}, {"type": "array", "x": 1.5})
    assert raised.value.fields == {
        "event_type": ["This field is required."],
        "properties": [
            "[0].type: 'foo' is not one of string, number, boolean, datetime, array.",
            "[1].name: this key is required",
            "[1].x: unknown key",
        ],
    }


async def test_another_tenant_neither_sees_nor_changes_a_schema(
    platform: Platform, channel: grpc.aio.Channel, registry: Registry, client: Client
) -> None:
    made = await registry.create("order", TOTAL)
    stranger = Registry(platform.settings, channel, Client(platform.settings, channel).tenant_id)
    for rpc, request in (
        ("GetSchema", pb.GetSchemaRequest(id=made.id)),
        ("UpdateSchema", pb.UpdateSchemaRequest(id=made.id, event_type=nullable("bill"))),
        ("DeleteSchema", pb.DeleteSchemaRequest(id=made.id)),
    ):
        with pytest.raises(NotFound):
            await stranger.call(rpc, request)
    assert (await stranger.call("ListSchemas", pb.ListSchemasRequest())).count == 0
    assert (await stranger.create("order", PAID)).id != made.id
    await holds(client, "{}")


async def test_a_viewer_reads_schemas_only(
    platform: Platform, channel: grpc.aio.Channel, registry: Registry, client: Client
) -> None:
    await registry.create("order", TOTAL)
    viewer = Registry(platform.settings, channel, client.tenant_id, role="viewer")
    assert (await viewer.call("ListSchemas", pb.ListSchemasRequest())).count == 1
    for attempt in (
        viewer.create("bill", TOTAL),
        viewer.send("InferSchemas", "{}"),
        viewer.send("ValidatePayload", ""),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_a_tenant_has_1000_schemas_at_most(platform: Platform, registry: Registry, client: Client) -> None:
    statement = """
        INSERT INTO event_schemas (tenant_id, event_type, properties)
        SELECT %s, 'type_' || number, '[]' FROM generate_series(1, %s) number"""
    with platform.database() as connection:
        connection.execute(statement, (client.tenant_id, MAX_SCHEMAS))
    with pytest.raises(Invalid, match="1,000"):
        await registry.create("order", TOTAL)


async def test_events_are_coerced_skipped_and_listed_by_their_schema(
    registry: Registry, client: Client, stream: JetStreamContext
) -> None:
    await registry.create("order", TOTAL)
    await holds(client, "{}")
    answer = await client.track_batch(order('{"total": "9007199254740993", "x": 1.50}', '{"total": "much"}', "5"))
    assert (answer.queued, answer.skipped) == (1, 2)
    *_, rows = [rows for rows, _ in await stored(stream, client.tenant_id) if rows]
    assert rows.decode().split("\t")[6] == '{"total":9007199254740993,"x":1.50}'
    with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT") as raised:
        await client.track('{"user_id": "me", "event_type": "order", "payload": {"total": null}}')
    assert dict(raised.value.trailing_metadata())["x-http-body"] == (
        '{"payload": ["total: Required by the schema of \'order\'."]}'
    )
    await client.track_batch('{"events": [{"user_id": "you", "event_type": "other", "occurred_at": "x"}]}')

    async def are_listed() -> bool:
        return [error.user_id for error in (await client.errors(event_type="order")).results][:1] == ["me"]

    await eventually(are_listed)
    page = await client.errors(event_type="order", limit=3)
    assert {error.event_type for error in page.results} == {"order"}
    assert [error.error for error in page.results if error.user_id == "u-1"] == [
        "payload: total: The schema of 'order' wants a number."
    ]


async def test_however_much_is_wrong_an_error_is_listed_in_1000_characters(registry: Registry, client: Client) -> None:
    names = (f"{number:03}".rjust(256, "x") for number in range(200))
    await registry.create("order", *({"name": name, "type": "string", "required": True} for name in names))
    await holds(client, "{}")

    async def is_listed() -> bool:
        return (await client.errors()).count > 0

    await eventually(is_listed)
    assert {len(error.error) for error in (await client.errors()).results} == {1_000}


async def test_schemas_are_inferred_from_events(registry: Registry) -> None:
    events = [
        {"event_type": "order", "payload": {"total": 5, "to": {"city": "Rome"}, "note": None}},
        {"user_id": "u", "event_type": "order", "payload": {"total": 6.5, "at": "2026-04-25T14:32:00Z"}},
        {"event_type": "bill"},
    ]
    answer = await registry.send("InferSchemas", json.dumps({"events": events}))
    assert [schema.event_type for schema in answer.schemas] == ["bill", "order"]
    assert list(answer.schemas[1].properties) == [
        pb.Property(name="total", type="number", required=True),
        pb.Property(name="to.city", type="string", required=False),
        pb.Property(name="at", type="datetime", required=False),
    ]
    with pytest.raises(Invalid) as raised:
        await registry.send("InferSchemas", '{"events": [{"event_type": "t", "payload": 1}, {}]}')
    assert raised.value.fields == {
        "events": ["[0].payload: Must be an object.", "[1].event_type: This field is required."]
    }


async def test_a_payload_is_tried_without_being_taken(
    registry: Registry, client: Client, stream: JetStreamContext
) -> None:
    await registry.create("order", TOTAL, PAID)

    async def tried(event_type: str, payload: str) -> str:
        answer = await registry.send("ValidatePayload", f'{{"event_type": "{event_type}", "payload": {payload}}}')
        assert answer.content_type == "application/json"
        return str(answer.data, "utf-8")

    assert await tried("order", '{"total": "1.50", "paid": "TRUE", "big": 9007199254740993}') == (
        '{"valid":true,"errors":[],"payload":{"total":1.50,"paid":true,"big":9007199254740993}}'
    )
    assert await tried("order", '{"paid": "true"}') == (
        '{"valid":false,"errors":["total: Required by the schema of \'order\'."],"payload":{"paid":true}}'
    )
    assert await tried("other", '{"a": "1"}') == '{"valid":true,"errors":[],"payload":{"a":"1"}}'
    with pytest.raises(Invalid) as raised:
        await tried("", "[]")
    assert raised.value.fields == {"event_type": ["This field is required."], "payload": ["Must be an object."]}
    assert await stored(stream, client.tenant_id) == []
