"""The list of refused events, which every replica writes to."""

import grpc

from services.kit.pseudonyms import Pseudonyms
from tests.integration.ingestion.conftest import Client, Platform, eventually

REFUSED = '{"user_id": "ann", "event_type": "order", "occurred_at": "soon"}'


async def refused(client: Client) -> bool:
    try:
        await client.track(REFUSED)
    except grpc.aio.AioRpcError as error:
        return error.code() == grpc.StatusCode.INVALID_ARGUMENT
    return False


async def test_who_is_erased_while_an_error_waits_in_another_process_is_not_named(
    platform: Platform, replica_channel: grpc.aio.Channel, client: Client
) -> None:
    other = Client(platform.settings, replica_channel, tenant_id=client.tenant_id)
    assert await refused(other)

    async def listed(names: list[str]) -> bool:
        return [error.user_id for error in (await client.errors()).results] == names

    await eventually(lambda: listed(["ann"]))
    with platform.database() as connection, connection.transaction():
        # Whoever writes to the list looks here first.
        connection.execute("LOCK TABLE erased_users IN ACCESS EXCLUSIVE MODE")
        assert await refused(other)
        name = Pseudonyms.of_installation(platform.settings).name(client.tenant_id, "ann")
        connection.execute(
            "INSERT INTO erased_users (tenant_id, pseudonym, until, is_running) VALUES (%s, %s, now(), true)",
            [client.tenant_id, name],
        )
    await eventually(lambda: listed(["", "ann"]))
