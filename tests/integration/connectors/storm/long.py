"""Longer storms, and new random syncs in every run: `make storm`."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings

from services.kit.postgres import Database
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.storm.places import Place
from tests.integration.connectors.storm.storming import storm_over_ledgers
from tests.integration.connectors.test_sync_random import CASES, Case, check
from tests.integration.process import ServiceProcess

SEEDS, STEPS = 12, 50
EXAMPLES = 1_000

LONG = settings(
    deadline=None,
    print_blob=True,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("seed", range(100, 100 + SEEDS))
async def test_every_destination_ends_with_exactly_the_members(
    database: Database, tenant: Tenant, stormy: ServiceProcess, places: Sequence[Place], seed: int
) -> None:
    await storm_over_ledgers(database, tenant, stormy, places, seed=seed, steps=STEPS)


@LONG
@given(case=CASES)
async def test_a_destination_holds_the_segments_members_in_the_end(
    database: Database, tenant_id: int, case: Case
) -> None:
    await check(database, tenant_id, case)
