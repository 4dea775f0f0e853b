"""The mirror of the links: what is appended is there at once, whole, and in no other tenant."""

import grpc
import pytest

from services.gen.segops.warehouse.v1 import links_pb2, links_pb2_grpc, warehouse_pb2
from services.kit.channel import connect
from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.rows import Event
from tests.integration.warehouse.test_matches import did, load


async def append(warehouse: Warehouse, tenant: int, *lines: str) -> None:
    """Mirrors links, each `user person version`."""
    copy_text = "".join(line.replace(" ", "\t") + "\n" for line in lines).encode()
    await append_text(warehouse, tenant, copy_text)


async def append_text(warehouse: Warehouse, tenant: int, copy_text: bytes) -> None:
    request = links_pb2.AppendLinksRequest(copy_text=copy_text)
    async with connect(warehouse.settings, "warehouse") as channel:
        stub = links_pb2_grpc.LinkMirrorServiceStub(channel)
        await stub.AppendLinks(request, metadata=warehouse.metadata(tenant))


async def position(warehouse: Warehouse, tenant: int) -> int:
    async with connect(warehouse.settings, "warehouse") as channel:
        stub = links_pb2_grpc.LinkMirrorServiceStub(channel)
        answer = await stub.GetLinkPosition(links_pb2.GetLinkPositionRequest(), metadata=warehouse.metadata(tenant))
    return int(answer.version)


async def persons(warehouse: Warehouse, tenant: int, *, times: int = 1, links: int = 1) -> list[str]:
    """Who did something so often."""
    evaluation = warehouse_pb2.Evaluation(definition=did("page_viewed", times), links=links)
    request = warehouse_pb2.PreviewDefinitionRequest(evaluation=evaluation, sample_limit=100)
    answer = await warehouse.stub.PreviewDefinition(request, metadata=warehouse.metadata(tenant))
    return list(answer.sample_user_ids)


async def test_the_newest_link_of_a_user_counts(warehouse: Warehouse, tenant: int, other_tenant: int) -> None:
    for each in (tenant, other_tenant):
        await load(warehouse, each, [Event(user_id=user_id) for user_id in ("a", "b", "u")])
    assert await position(warehouse, tenant) == 0
    await append(warehouse, tenant, "a u 3", "b u 4")
    assert await position(warehouse, tenant) == 4
    assert (await persons(warehouse, tenant), await persons(warehouse, tenant, times=3)) == (["u"], ["u"])
    # Twice, and again with what is newer.
    await append(warehouse, tenant, "a u 3", "b u 4", "b x 9")
    assert await position(warehouse, tenant) == 9
    assert await persons(warehouse, tenant) == ["u", "x"]
    # Of whoever says that there are none.
    assert await persons(warehouse, tenant, links=0) == ["a", "b", "u"]
    assert await position(warehouse, other_tenant) == 0
    assert await persons(warehouse, other_tenant) == ["a", "b", "u"]


@pytest.mark.parametrize(
    "broken",
    [b"", b"\n", b"a\tu\t2", b"a\tu\n", b"a\tu\t2\t2\n", b"\tu\t2\n", b"a\t\t2\n", b"a\tu\t0\n", b"a\tu\tx\n",
     b"a\tu\t-1\n", b"\\N\tu\t2\n", b"a\t\xff\t2\n"],
)  # fmt: skip
async def test_of_links_with_one_that_cannot_be_read_none_is_taken(
    warehouse: Warehouse, tenant: int, broken: bytes
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await append_text(warehouse, tenant, b"a\tu\t1\n" + broken if broken else broken)
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert await position(warehouse, tenant) == 0
