"""Typed events over gRPC: what is acknowledged is in the log, senders are held back, failures end a stream in order."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import grpc
import pytest
from nats.js import JetStreamContext

from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb
from services.gen.segops.ingestion.v1 import ingestion_pb2_grpc
from services.ingestion.stream import MAX_UNANSWERED
from services.kit.caller import IDENTITY_HEADER, Caller, mint
from services.kit.keys import INTERNAL_KEY, private_key
from tests.integration.ingestion.conftest import Client, Platform, eventually, stored


class Typed:
    """The typed RPCs for a tenant's caller."""

    def __init__(self, platform: Platform, channel: grpc.aio.Channel, tenant_id: int, role: str = "member") -> None:
        caller = Caller(kind="person", tenant_id=tenant_id, user_id=1, role=role)
        self._stub: Any = ingestion_pb2_grpc.IngestionServiceStub(channel)
        self._metadata = ((IDENTITY_HEADER, mint(caller, private_key(platform.settings, INTERNAL_KEY))),)

    async def events(self, *events: pb.Event) -> Any:
        return await self._stub.TrackEvents(pb.TrackEventsRequest(events=events), metadata=self._metadata)

    def stream(self, metadata: Sequence[tuple[str, str]] | None = None) -> Any:
        return self._stub.TrackStream(metadata=self._metadata if metadata is None else metadata)


@pytest.fixture
def typed(platform: Platform, channel: grpc.aio.Channel, client: Client) -> Typed:
    return Typed(platform, channel, client.tenant_id)


def batch(number: int, count: int = 1, filler: str = "") -> pb.TrackStreamRequest:
    events = [
        pb.Event(user_id=f"{number}-{place}", event_type="t", payload_json=f'{{"a":"{filler}"}}')
        for place in range(count)
    ]
    return pb.TrackStreamRequest(batch=number, events=events)


async def users(stream: JetStreamContext, tenant_id: int) -> list[str]:
    rows = b"".join([data for data, _ in await stored(stream, tenant_id)]).decode()
    return sorted(row.split("\t")[1] for row in rows.splitlines())


async def ended(call: Any) -> tuple[list[int], grpc.StatusCode]:
    """The acknowledged batches to the end of a stream, and how it ended."""
    acknowledged = []
    with suppress(grpc.aio.AioRpcError):
        while (answer := await call.read()) is not grpc.aio.EOF:
            acknowledged.append(answer.batch)
    return acknowledged, await call.code()


async def test_valid_events_are_stored_and_the_others_named(
    typed: Typed, client: Client, stream: JetStreamContext
) -> None:
    good = pb.Event(user_id="a", event_type="t")
    answer = await typed.events(good, pb.Event(event_type="t"), pb.Event(user_id="b", event_type="t", payload_json="["))
    assert (answer.queued, answer.duplicate) == (1, 0)
    assert [(item.index, item.error) for item in answer.skipped] == [
        (1, "user_id: This field is required."),
        (2, "payload: Must be an object."),
    ]
    assert await users(stream, client.tenant_id) == ["a"]


async def test_no_events_or_too_many_are_refused(typed: Typed, client: Client, stream: JetStreamContext) -> None:
    for count in (0, 501):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await typed.events(*batch(1, count).events)
        assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert await users(stream, client.tenant_id) == []


async def test_each_batch_is_acknowledged_in_order_when_it_is_in_the_log(
    typed: Typed, client: Client, stream: JetStreamContext
) -> None:
    call = typed.stream()
    await call.write(batch(7, 2))
    first = await call.read()
    assert (first.batch, first.result.queued) == (7, 2)
    assert await users(stream, client.tenant_id) == ["7-0", "7-1"]
    for number in range(30):
        await call.write(batch(number))
    await call.done_writing()
    assert await ended(call) == (list(range(30)), grpc.StatusCode.OK)
    assert len(await users(stream, client.tenant_id)) == 32


async def test_a_wrong_batch_ends_the_stream_after_the_acknowledgements_before_it(
    typed: Typed, client: Client, stream: JetStreamContext
) -> None:
    call = typed.stream()
    for request in (batch(1), batch(2), batch(3, 0)):
        await call.write(request)
    assert await ended(call) == ([1, 2], grpc.StatusCode.INVALID_ARGUMENT)
    assert await call.details() == "Send 1 to 500 events in batch 3, not 0."
    assert await users(stream, client.tenant_id) == ["1-0", "2-0"]


async def test_nobody_without_permission_opens_a_stream(
    platform: Platform, channel: grpc.aio.Channel, client: Client, stream: JetStreamContext
) -> None:
    viewer = Typed(platform, channel, client.tenant_id, role="viewer")
    for call, code in (
        (viewer.stream(), grpc.StatusCode.PERMISSION_DENIED),
        (viewer.stream(metadata=()), grpc.StatusCode.UNAUTHENTICATED),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call.read()
        assert raised.value.code() == code
    assert await users(stream, client.tenant_id) == []


async def test_a_sender_that_does_not_wait_is_held_back_while_the_log_hangs(
    platform: Platform, typed: Typed, client: Client, stream: JetStreamContext
) -> None:
    call = typed.stream()
    await call.write(batch(-1))
    await call.read()
    written = 0

    async def write() -> None:
        nonlocal written
        for number in range(1_000):
            await call.write(batch(number, 100, "x" * 10_000))
            written += 1

    platform.log.send(signal.SIGSTOP)
    writer = asyncio.create_task(write())
    try:
        _, code = await ended(call)
    finally:
        platform.log.send(signal.SIGCONT)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    # The second is grpc's own in the sender, when its write meets the end of the stream.
    assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL), await call.details()
    # A megabyte each: those being stored, and what the windows of HTTP/2 hold.
    assert written < MAX_UNANSWERED + 24
    await eventually(lambda: _takes(typed))


async def _takes(typed: Typed) -> bool:
    try:
        await typed.events(pb.Event(user_id="probe", event_type="t"))
    except grpc.aio.AioRpcError:
        return False
    return True


async def test_what_was_acknowledged_to_a_sender_that_vanished_is_stored(
    platform: Platform, client: Client, stream: JetStreamContext, typed: Typed
) -> None:
    call = typed.stream()
    for number in range(20):
        await call.write(batch(number))
    acknowledged = [(await call.read()).batch for _ in range(5)]
    call.cancel()
    assert acknowledged == [0, 1, 2, 3, 4]
    assert {f"{number}-0" for number in acknowledged} <= set(await users(stream, client.tenant_id))
    # The service is as it was.
    answer = await typed.events(pb.Event(user_id="after", event_type="t"))
    assert answer.queued == 1
    assert max(map((await users(stream, client.tenant_id)).count, ("0-0", "4-0", "after"))) == 1
