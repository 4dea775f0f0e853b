"""The mirror of the ledgers: what is appended is there at once, whole, and in no other tenant."""

import grpc
import psycopg
import pytest

from tests.integration.warehouse.ledger import append, line, members, position
from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.test_lookups import HOSTILE_IDS
from tests.running import Running

SEGMENT = 7
ESCAPED_IDS = ("a\tb", "a\nb", "a\rb", "\b\f\v", "\\t", "\\x41", "\x01\x7f")


async def test_ids_as_postgres_copies_them_come_back_the_same(
    warehouse: Warehouse, backends: Running, tenant: int
) -> None:
    ids = sorted({*HOSTILE_IDS, *ESCAPED_IDS}, key=str.encode)
    query = "COPY (SELECT 5, id, 1, '2026-04-25 14:32:00.123' FROM unnest(%s::text[]) AS id) TO STDOUT"
    with psycopg.connect(backends.settings.libpq_dsn) as connection, connection.cursor().copy(query, [ids]) as copy:
        await append(warehouse, tenant, SEGMENT, b"".join(bytes(part) for part in copy))
    assert await members(warehouse, tenant, SEGMENT, 5) == ids
    assert await position(warehouse, tenant, SEGMENT) == (5, ids[-1])


async def test_a_run_that_came_in_part_goes_on_behind_its_last_change(warehouse: Warehouse, tenant: int) -> None:
    assert await position(warehouse, tenant, SEGMENT) == (0, "")
    await append(warehouse, tenant, SEGMENT, line(9, "a") + line(9, "b"))
    assert await position(warehouse, tenant, SEGMENT) == (9, "b")
    await append(warehouse, tenant, SEGMENT, line(9, "c") + line(12, "a", entered=False))
    assert await position(warehouse, tenant, SEGMENT) == (12, "a")
    for run_id, users in {8: [], 9: ["a", "b", "c"], 11: ["a", "b", "c"], 12: ["b", "c"], 13: ["b", "c"]}.items():
        assert await members(warehouse, tenant, SEGMENT, run_id) == users


async def test_changes_that_come_twice_do_no_harm(warehouse: Warehouse, tenant: int) -> None:
    changes = line(1, "a") + line(1, "b") + line(2, "b", entered=False)
    for text in (changes, changes, line(1, "a"), line(1, "b")):
        await append(warehouse, tenant, SEGMENT, text)
        assert await position(warehouse, tenant, SEGMENT) == (2, "b")
        assert await members(warehouse, tenant, SEGMENT, 1) == ["a", "b"]
        assert await members(warehouse, tenant, SEGMENT, 2) == ["a"]


async def test_other_tenants_and_segments_see_nothing_of_it(
    warehouse: Warehouse, tenant: int, other_tenant: int
) -> None:
    await append(warehouse, tenant, SEGMENT, line(1, "a"))
    for place in ((other_tenant, SEGMENT), (tenant, SEGMENT - 1), (tenant, SEGMENT + 1), (tenant, -SEGMENT)):
        assert await position(warehouse, *place) == (0, "")
    assert await members(warehouse, other_tenant, SEGMENT, 1) == []
    assert await members(warehouse, tenant, SEGMENT + 1, 1) == []


GOOD = line(1, "u")


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\n",
        GOOD[:-1],
        GOOD.replace(b"\tu", b""),
        GOOD.replace(b"\tu", b"\tu\tv"),
        GOOD.replace(b"\tu", b"\t"),
        GOOD.replace(b"\tu", b"\t\\N"),
        GOOD.replace(b"\tu", b"\t\xff"),
        GOOD.replace(b"1\tu", b"0\tu"),
        GOOD.replace(b"1\tu", b"-1\tu"),
        GOOD.replace(b"1\tu", b"x\tu"),
        GOOD.replace(b"u\t1", b"u\t2"),
        GOOD.replace(b"u\t1", b"u\t256"),
        GOOD.replace(b"u\t1", b"u\t\\N"),
        GOOD.replace(b"2026-04", b"2026-13"),
        GOOD.replace(b"2026-04-25 14:32:00.000", b""),
        GOOD.replace(b"2026-04-25 14:32:00.000", b"\\N"),
    ],
)
async def test_of_changes_with_one_that_cannot_be_read_none_is_taken(
    warehouse: Warehouse, tenant: int, broken: bytes
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await append(warehouse, tenant, SEGMENT, line(1, "a") + broken if broken else broken)
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert await position(warehouse, tenant, SEGMENT) == (0, "")


async def test_a_segment_without_a_number_is_refused(warehouse: Warehouse, tenant: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await append(warehouse, tenant, 0, GOOD)
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
