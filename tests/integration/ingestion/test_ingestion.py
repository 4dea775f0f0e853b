"""What is acknowledged is in the event log, byte for byte; what is refused is listed."""

import asyncio
import json
import signal
from uuid import UUID, uuid5

import grpc
import pytest
from nats.js import JetStreamContext

from services.kit.eventlog import DEDUP_HEADER, SKIPPED_HEADER
from tests.integration.ingestion.conftest import Client, Platform, eventually, stored

GOOD = '{"user_id": "u", "event_type": "t"}'


async def listed(client: Client, count: int) -> None:
    """Returns when that many errors are listed; they are written in the background."""

    async def are_listed() -> bool:
        return (await client.errors(limit=1)).count >= count

    await eventually(are_listed)


async def test_a_tracked_event_is_in_the_log_as_the_agreed_row(client: Client, stream: JetStreamContext) -> None:
    answer = await client.track(
        '{"user_id": "a\\\\N é", "event_type": "order_placed", "occurred_at": "2026-04-25T14:32:00.1239+02:00",'
        ' "payload": {"b": 1.50, "a": "\\u0000\\n", "big": 123456789012345678901234567890}, "anonymous_id": "x"}'
    )
    assert answer.queued
    [(rows, headers)] = await stored(stream, client.tenant_id)
    assert rows.endswith(b"\n")
    cells = rows.decode().removesuffix("\n").split("\t")
    UUID(cells.pop(5))
    received_at = cells.pop(4)
    assert received_at == received_at[:10] + " " + received_at[11:19] + "." + received_at[20:]
    assert cells == [
        str(client.tenant_id),
        "a\\\\N é",
        "order_placed",
        "2026-04-25 12:32:00.123",
        '{"b":1.50,"a":"\\\\u0000\\\\n","big":123456789012345678901234567890}',
        "x",
    ]
    assert DEDUP_HEADER not in headers


async def test_a_batch_is_one_message_without_its_invalid_events(client: Client, stream: JetStreamContext) -> None:
    answer = await client.track_batch('{"events": [' + ", ".join([GOOD] * 499) + ', {"user_id": "u"}]}')
    assert (answer.queued, answer.skipped) == (499, 1)
    [(rows, _)] = await stored(stream, client.tenant_id)
    lines = rows.decode().splitlines()
    assert len(lines) == len({line.split("\t")[5] for line in lines}) == 499


async def test_a_message_id_decides_the_event_id_and_marks_the_message(
    client: Client, stream: JetStreamContext
) -> None:
    await client.track('{"user_id": "u", "event_type": "t", "message_id": "m-1"}')
    await client.track_batch('{"events": [{"user_id": "u", "event_type": "t", "message_id": "m-1"}, ' + GOOD + "]}")
    first, second = await stored(stream, client.tenant_id)
    expected = str(uuid5(UUID(int=client.tenant_id), "m-1"))
    assert [rows.decode().split("\t")[5] for rows, _ in (first, second)] == [expected, expected]
    assert first[1][DEDUP_HEADER] == second[1][DEDUP_HEADER] == "1"


async def test_of_a_batch_of_invalid_events_only_their_number_is_stored(
    client: Client, stream: JetStreamContext
) -> None:
    answer = await client.track_batch('{"events": [1, {"event_type": "t"}, {}]}')
    assert (answer.queued, answer.skipped) == (0, 3)
    [(rows, headers)] = await stored(stream, client.tenant_id)
    assert rows == b""
    assert json.loads(headers[SKIPPED_HEADER])["types"] == {"": 2, "t": 1}


@pytest.mark.parametrize("body", ["", "{", "[]", '{"events": []}', '{"events": 1}', '{"a": "\\ud800"}'])
async def test_what_is_no_batch_is_refused(client: Client, stream: JetStreamContext, body: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await client.track_batch(body)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert await stored(stream, client.tenant_id) == []


async def test_a_viewer_may_read_errors_and_not_track(platform: Platform, channel: grpc.aio.Channel) -> None:
    viewer = Client(platform.settings, channel, role="viewer")
    assert (await viewer.errors()).count == 0
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await viewer.track(GOOD)
    assert raised.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_refused_events_are_listed_newest_first_to_their_tenant_only(
    platform: Platform, channel: grpc.aio.Channel, client: Client
) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await client.track('{"user_id": 5, "event_type": "t", "occurred_at": "soon"}')
    await listed(client, 1)
    await client.track_batch('{"events": [{"user_id": "\\u0000\\ud800", "event_type": "x"}, ' + GOOD + ", null]}")
    await listed(client, 3)
    page = await client.errors(limit=2)
    assert page.count == 3
    assert [(error.user_id, error.event_type) for error in page.results] == [("", ""), ("\ufffd\ufffd", "x")]
    assert page.results[0].error == "event: Must be an object."
    [oldest] = (await client.errors(limit=2, page=2)).results
    assert (oldest.user_id, oldest.event_type) == ("5", "t")
    assert oldest.error.startswith("user_id: Must be a string. occurred_at: Must be an RFC 3339 time")
    assert (await Client(platform.settings, channel).errors()).count == 0


async def test_a_hanging_postgresql_does_not_hold_up_events(platform: Platform, client: Client) -> None:
    await client.track(GOOD)
    platform.signal_postgres(signal.SIGSTOP)
    try:
        async with asyncio.timeout(2):
            answer = await client.track_batch('{"events": [1, ' + GOOD + "]}")
        assert (answer.queued, answer.skipped) == (1, 1)
    finally:
        platform.signal_postgres(signal.SIGCONT)
    await listed(client, 1)
