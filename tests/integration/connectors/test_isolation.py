"""One tenant never meets another's connectors, and a viewer changes none."""

from collections.abc import Callable

import grpc
import pytest

from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.kit.errors import Forbidden, Invalid, NotFound
from services.kit.postgres import Database
from services.kit.settings import Settings
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.rows import add_log, add_segment

CONFIG = {"url": "https://example.com/hook", "secret": "a-webhook-secret"}


@pytest.fixture
async def connector(tenant: Tenant, database: Database) -> pb.Activation:
    return await tenant.create(await add_segment(database, tenant.id), "webhook", CONFIG)


async def test_a_strangers_connector_does_not_exist(
    tenant: Tenant, new_tenant: Callable[[], Tenant], database: Database, connector: pb.Activation
) -> None:
    stranger = new_tenant()
    await add_log(database, tenant.id, connector.id)
    for attempt in (
        stranger.get(connector.id),
        stranger.update(connector.id, status="active"),
        stranger.sync(connector.id),
        stranger.logs(connector.id),
        stranger.call("VerifyActivation", pb.VerifyActivationRequest(id=connector.id)),
        stranger.delete(connector.id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await stranger.list()).count == 0
    assert await tenant.get(connector.id) == connector


async def test_a_strangers_segment_does_not_exist(
    tenant: Tenant, new_tenant: Callable[[], Tenant], database: Database, connector: pb.Activation
) -> None:
    stranger = new_tenant()
    with pytest.raises(Invalid) as raised:
        await stranger.create(connector.segment, "webhook", CONFIG)
    assert raised.value.fields.keys() == {"segment"}
    foreign = await add_segment(database, stranger.id)
    with pytest.raises(Invalid) as raised:
        await tenant.update(connector.id, segment=foreign)
    assert raised.value.fields == {"segment": [f"There is no segment {foreign}."]}


async def test_a_viewer_reads_and_changes_nothing(
    tenant: Tenant, settings: Settings, channel: grpc.aio.Channel, connector: pb.Activation
) -> None:
    viewer = Tenant(settings, channel, tenant.id, role="viewer")
    assert await viewer.get(connector.id) == connector
    assert (await viewer.logs(connector.id)).count == 0
    for attempt in (
        viewer.create(connector.segment, "webhook", CONFIG),
        viewer.update(connector.id, status="active"),
        viewer.sync(connector.id),
        viewer.delete(connector.id),
    ):
        with pytest.raises(Forbidden):
            await attempt
