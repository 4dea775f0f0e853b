"""Evaluating definitions over gRPC. What conditions mean is tested with the compiler."""

import asyncio
import json
from typing import Any

import grpc
import psycopg
import pytest

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from tests.integration.warehouse.ledger import append, line
from tests.integration.warehouse.processes import Metadata, Warehouse
from tests.integration.warehouse.rows import Event, payload, rows
from tests.integration.warehouse.test_lookups import HOSTILE_IDS
from tests.running import Running

CALL_SECONDS = 30


def did(event_type: str, at_least: int = 1) -> str:
    """The definition of users who did something that often."""
    condition = {"type": "event_count", "event_type": event_type, "operator": "gte", "value": at_least}
    return json.dumps({"logic": "AND", "conditions": [condition]})


async def matches(warehouse: Warehouse, metadata: Metadata, definition: str) -> list[bytes]:
    """The chunks of a whole stream."""
    request = pb.StreamMatchesRequest(evaluation=pb.Evaluation(definition=definition))
    return [chunk.copy_text async for chunk in warehouse.stub.StreamMatches(request, metadata=metadata)]


async def load(warehouse: Warehouse, tenant: int, events: list[Event]) -> None:
    sequence = 0
    for start in range(0, len(events), 20_000):
        sequence = await warehouse.log.append(tenant, rows(tenant, *events[start : start + 20_000]))
    await warehouse.loaded(sequence)


async def test_postgres_copies_the_stream_back_to_the_same_ids(
    warehouse: Warehouse, backends: Running, tenant: int, other_tenant: int
) -> None:
    await load(warehouse, tenant, [Event(user_id=user_id) for user_id in HOSTILE_IDS])
    await load(warehouse, other_tenant, [Event(user_id="other")])
    chunks = await matches(warehouse, warehouse.metadata(tenant), did("page_viewed"))
    with psycopg.connect(backends.settings.libpq_dsn) as connection:
        connection.execute("CREATE TEMPORARY TABLE copied (place serial, user_id text)")
        with connection.cursor().copy("COPY copied (user_id) FROM STDIN") as copy:
            for chunk in chunks:
                copy.write(chunk)
        copied = [row[0] for row in connection.execute("SELECT user_id FROM copied ORDER BY place")]
    assert copied == sorted(set(HOSTILE_IDS), key=str.encode)


async def test_a_preview_counts_all_and_shows_the_first(warehouse: Warehouse, tenant: int) -> None:
    await load(warehouse, tenant, [Event(user_id=user_id) for user_id in HOSTILE_IDS for _ in "12"])
    ids = sorted(set(HOSTILE_IDS), key=str.encode)
    for sample in (0, 1, 10, 100):
        request = pb.PreviewDefinitionRequest(
            evaluation=pb.Evaluation(definition=did("page_viewed", 2)), sample_limit=sample
        )
        preview = await warehouse.stub.PreviewDefinition(request, metadata=warehouse.metadata(tenant))
        assert preview.matched_users == len(ids)
        assert list(preview.sample_user_ids) == ids[:sample]
        assert "SELECT user_id" in preview.sql


async def test_now_decides_what_is_in_a_window(warehouse: Warehouse, tenant: int) -> None:
    event = Event()
    await load(warehouse, tenant, [event])
    recent = json.dumps({"logic": "AND", "conditions": [
        {"type": "event_count", "event_type": "page_viewed", "operator": "gte", "value": 1, "window_days": 1}
    ]})  # fmt: skip
    for hours, count in ((23, 1), (24, 0)):
        request = pb.PreviewDefinitionRequest(evaluation=pb.Evaluation(definition=recent))
        request.evaluation.now.FromSeconds(int(event.occurred_at.timestamp()) + 3600 * hours + 1)
        preview = await warehouse.stub.PreviewDefinition(request, metadata=warehouse.metadata(tenant))
        assert preview.matched_users == count


@pytest.mark.parametrize("definition", ["", "{", "[]", "1" * 5000, "[" * 100_000, '{"logic": "XOR", "conditions": []}'])
async def test_a_definition_that_does_not_parse_is_invalid(warehouse: Warehouse, tenant: int, definition: str) -> None:
    metadata: Any = warehouse.metadata(tenant)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await warehouse.stub.PreviewDefinition(
            pb.PreviewDefinitionRequest(evaluation=pb.Evaluation(definition=definition)), metadata=metadata
        )
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    body = dict(failure.value.trailing_metadata() or ())["x-http-body"]
    assert list(json.loads(body)) == ["definition"]
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await matches(warehouse, metadata, definition)
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_large_stream_is_whole_and_one_that_nobody_reads_holds_up_nobody_for_long(
    warehouse: Warehouse, tenant: int
) -> None:
    ids = [f"{number:06}-{'x' * 200}" for number in range(120_000)]
    await load(warehouse, tenant, [Event(user_id=user_id, payload=payload()) for user_id in ids])
    metadata = warehouse.metadata(tenant)
    chunks = await matches(warehouse, metadata, did("page_viewed"))
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    assert max(len(chunk) for chunk in chunks) < 1_100_000
    assert b"".join(chunks).decode().splitlines() == ids

    unread = warehouse.stub.StreamMatches(
        pb.StreamMatchesRequest(evaluation=pb.Evaluation(definition=did("page_viewed"))), metadata=metadata
    )
    await unread.read()
    # Neither estimates nor the mirror wait for definitions.
    estimating = pb.EstimateDefinitionRequest(evaluation=pb.Evaluation(definition=did("page_viewed")))
    estimate = await warehouse.stub.EstimateDefinition(estimating, metadata=metadata, timeout=CALL_SECONDS)
    assert (estimate.estimated_users, estimate.sampled) == (len(ids), False)
    await append(warehouse, tenant, 7, line(1, "u"))
    waiting = asyncio.create_task(matches(warehouse, metadata, did("page_viewed", 2)))
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    assert not done
    unread.cancel()
    assert await asyncio.wait_for(waiting, 10) == []


async def test_a_caller_without_an_identity_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await warehouse.stub.SearchUsers(pb.SearchUsersRequest())
    assert failure.value.code() == grpc.StatusCode.UNAUTHENTICATED
