"""Estimates: exact for few events, close for many, and blind for other tenants."""

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from random import Random

import clickhouse_connect
import grpc
import pytest
from clickhouse_connect.driver.client import Client

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.warehouse import samples, schema
from services.warehouse.engine import EVERYWHERE
from services.warehouse.estimates import USUAL, Budget, Estimate, estimate
from services.warehouse.evaluation import Evaluation, read_definition
from tests.integration.warehouse.ledger import within
from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.rows import Event
from tests.integration.warehouse.test_matches import did, load

RANDOM_IDS, ORDERED_IDS, OTHER, LINKED_IDS = 1, 2, 3, 4
USERS, PARTS = 30_000, 6
SEGMENT = 7
# A sample of 12 clusters of about 200 users: a share of 20 % is told to one point, one standard deviation.
SMALL = Budget(exact_events=10_000, sampled_events=10_000)
# If the users who match have neighbouring ids, each cluster as a whole counts or does not.
POINTS = {RANDOM_IDS: 0.05, ORDERED_IDS: 0.1, LINKED_IDS: 0.05}
SEEDS = range(5)

# Each part holds the events of every user whose number does not divide by it: users differ in how many rows they have.
EVENTS = """
INSERT INTO events (tenant_id, user_id, event_type, occurred_at, received_at, event_id, payload)
SELECT {tenant}, {user_id}, ['page_viewed', 'order_placed'][1 + (number % 5 = 0)] AS type,
  toDateTime64('2026-04-01 00:00:00', 3, 'UTC') + number, toDateTime64('2026-04-01 00:00:00', 3, 'UTC') + number,
  generateUUIDv4(), '{{}}'
FROM numbers({users}) WHERE number % {part} != 1 SETTINGS insert_deduplication_token = '{tenant} {part}'
"""
# Every third user.
MEMBERS = """
INSERT INTO membership_changes (tenant_id, segment_id, run_id, user_id, entered, at)
SELECT {tenant}, {segment}, 1, {user_id}, 1, '2026-04-01 00:00:00' FROM numbers({users}) WHERE number % 3 = 0
"""
USER_IDS = {
    RANDOM_IDS: "hex(cityHash64(number))",
    ORDERED_IDS: "leftPad(toString(if(number % 5 = 0, 0, 100000) + number), 9, '0')",
    OTHER: "hex(cityHash64(number, 1))",
    LINKED_IDS: "hex(cityHash64(number, 2))",
}
# Every third user is another id of the one before.
LINKS = """
INSERT INTO user_links (tenant_id, user_id, person_id, version)
SELECT {tenant}, hex(cityHash64(number, 2)), hex(cityHash64(number - 1, 2)), number
FROM numbers({users}) WHERE number % 3 = 2
"""

_opened: list[Client] = []


def opened(directory: str) -> None:
    """Opens a warehouse with three tenants whose parts are not merged; a fifth of the users ordered something."""
    client = clickhouse_connect.get_client(dsn=f"chdb://{directory}", settings=EVERYWHERE)
    schema.create(client)
    client.command("SYSTEM STOP MERGES")
    for tenant, user_id in USER_IDS.items():
        for part in range(2, 2 + PARTS):
            client.command(EVENTS.format(tenant=tenant, user_id=user_id, users=USERS, part=part))
        client.command(MEMBERS.format(tenant=tenant, user_id=user_id, users=USERS, segment=SEGMENT))
    client.command(LINKS.format(tenant=LINKED_IDS, users=USERS))
    _opened.append(client)


def estimated(tenant: int, definition: str, seed: int, budget: Budget = SMALL) -> Estimate:
    return estimate(_opened[0], _evaluation(tenant, definition), Random(seed), budget)


def counted(tenant: int, definition: str) -> tuple[int, int]:
    """How many users match, and how many there are."""
    client, evaluation = _opened[0], _evaluation(tenant, definition)
    return samples.count(client, evaluation.users()), samples.count_users(client, evaluation.persons())


def _evaluation(tenant: int, definition: str) -> Evaluation:
    group = read_definition(definition)
    linked = tenant == LINKED_IDS
    return Evaluation(tenant_id=tenant, group=group, now=datetime.now(UTC), runs={SEGMENT: 1}, linked=linked)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessPoolExecutor]:
    """A process with the warehouse open: this one can have one open at a time."""
    directory = str(tmp_path_factory.mktemp("estimates") / "warehouse")
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=opened, initargs=(directory,)) as process:
        yield process


def event_count(event_type: str, operator: str, value: int) -> str:
    condition = {"type": "event_count", "event_type": event_type, "operator": operator, "value": value}
    return json.dumps({"logic": "AND", "conditions": [condition]})


ORDERED = event_count("order_placed", "gte", 1)


@pytest.mark.parametrize("tenant", [RANDOM_IDS, ORDERED_IDS])
@pytest.mark.parametrize(
    ("definition", "share"),
    [
        (ORDERED, 0.2),
        (event_count("order_placed", "lt", 1), 0.8),
        (within(SEGMENT), 1 / 3),
        (within(SEGMENT, "not_in"), 2 / 3),
        (event_count("page_viewed", "gte", PARTS), 0.2),
        (event_count("nothing", "gte", 1), 0),
    ],
)
def test_a_share_of_many_users_is_estimated_to_some_points(
    engine: ProcessPoolExecutor, tenant: int, definition: str, share: float
) -> None:
    matched, total = engine.submit(counted, tenant, definition).result()
    assert matched == pytest.approx(share * total, rel=0.2)
    for seed in SEEDS:
        found = engine.submit(estimated, tenant, definition, seed).result()
        assert found.sampled
        assert 1000 < found.sample_size < total / 5
        assert found.total_users == pytest.approx(total, rel=0.05)
        assert found.matched_users == pytest.approx(matched, abs=POINTS[tenant] * total)


@pytest.mark.parametrize(
    ("definition", "share"),
    # A fifth of the ids ordered something, and half of the persons have two ids. None of those is a member.
    [(ORDERED, 0.3), (within(SEGMENT, "not_in"), 0.5)],
)
def test_of_linked_users_persons_are_estimated(engine: ProcessPoolExecutor, definition: str, share: float) -> None:
    matched, total = engine.submit(counted, LINKED_IDS, definition).result()
    assert total == pytest.approx(USERS * 2 / 3, rel=0.01)
    assert matched == pytest.approx(share * total, rel=0.2)
    found = [engine.submit(estimated, LINKED_IDS, definition, seed).result() for seed in range(8)]
    for each in found:
        assert each.sampled
        assert each.matched_users == pytest.approx(matched, abs=2 * POINTS[LINKED_IDS] * total)
    assert sum(each.matched_users for each in found) / len(found) == pytest.approx(matched, rel=0.1)
    assert sum(each.total_users for each in found) / len(found) == pytest.approx(total, rel=0.05)


def test_samples_differ_from_call_to_call(engine: ProcessPoolExecutor) -> None:
    found = {engine.submit(estimated, RANDOM_IDS, ORDERED, seed).result().matched_users for seed in SEEDS}
    assert len(found) > 1


def test_few_events_are_all_looked_at(engine: ProcessPoolExecutor) -> None:
    found = engine.submit(estimated, RANDOM_IDS, ORDERED, 0, USUAL).result()
    matched, total = engine.submit(counted, RANDOM_IDS, ORDERED).result()
    assert found == Estimate(matched_users=matched, total_users=total, sample_size=total, sampled=False)


def test_a_sample_that_reads_too_much_has_fewer_clusters(engine: ProcessPoolExecutor) -> None:
    whole = engine.submit(estimated, RANDOM_IDS, ORDERED, 0).result()
    narrow = Budget(exact_events=10_000, sampled_events=10_000, read_rows=1)
    fewer = engine.submit(estimated, RANDOM_IDS, ORDERED, 0, narrow).result()
    assert fewer.sample_size == pytest.approx(whole.sample_size * SMALL.fewest_clusters / SMALL.clusters, rel=0.2)


async def test_over_the_wire_a_small_tenant_is_counted_without_the_users_of_others(
    warehouse: Warehouse, tenant: int, other_tenant: int
) -> None:
    await load(warehouse, other_tenant, [Event(user_id="a"), Event(user_id="other")])
    await load(warehouse, tenant, [Event(user_id=user_id, event_type=kind) for user_id, kind in ("ax", "bx", "by")])
    for definition, matched in ((did("x"), 2), (event_count("y", "lt", 1), 1), (did("page_viewed"), 0)):
        request = pb.EstimateDefinitionRequest(evaluation=pb.Evaluation(definition=definition))
        found = await warehouse.stub.EstimateDefinition(request, metadata=warehouse.metadata(tenant))
        assert found == pb.EstimateDefinitionResponse(estimated_users=matched, sample_size=2, total_users=2)


async def test_a_definition_that_does_not_parse_is_invalid(warehouse: Warehouse, tenant: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await warehouse.stub.EstimateDefinition(pb.EstimateDefinitionRequest(), metadata=warehouse.metadata(tenant))
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
