"""Whatever breaks, every destination ends with exactly the segment's members. `make storm` rages longer."""

import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack

from services.kit.eventlog import EventLog
from services.kit.postgres import Database
from services.kit.settings import Settings
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.storm.computed import LedgerSegment, RealSegment, users
from tests.integration.connectors.storm.places import (
    Place,
    ReceiverPlace,
)
from tests.integration.connectors.storm.storming import Storm, connect, storm_over_ledgers
from tests.integration.process import ServiceProcess
from tests.integration.segments.calling import Tenant as SegmentsTenant
from tests.integration.segments.calling import until
from tests.integration.warehouse.processes import Warehouse
from tests.standins.mischief import Fault, Mischief
from tests.standins.receiver import Receiver
from tests.standins.server import serving

# As the webhook destination has it.
PARALLEL = 4


async def test_every_destination_ends_with_exactly_the_members(
    database: Database, tenant: Tenant, stormy: ServiceProcess, places: Sequence[Place]
) -> None:
    await storm_over_ledgers(database, tenant, stormy, places, seed=1, steps=10)


async def test_receivers_hear_of_real_computes_in_order_and_hardly_anything_twice(
    settings: Settings,
    database: Database,
    tenant: Tenant,
    stormy: ServiceProcess,
    owner: SegmentsTenant,
    places: Sequence[Place],
) -> None:
    warehouse = Warehouse(settings, await EventLog.connect(settings))
    segments = [RealSegment(owner, warehouse, (await owner.create(name)).id, users(1_000)) for name in ("one", "two")]
    storm = Storm(
        database=database,
        tenant=tenant,
        process=stormy,
        segments=segments,
        connectors=await connect(tenant, places, segments),
        chance=random.Random(2),
        chooses=False,
    )
    for segment in segments:
        await segment.change(storm.chance)
    await storm.rage(5)
    await storm.settle()
    await storm.check()
    await warehouse.close()
    for connector in storm.connectors:
        if isinstance(connector.place.standin, Receiver):
            told_in_order(connector.place.standin)
            interrupted = await storm.failures(connector) + storm.happened["kill"]
            assert connector.place.standin.repeated <= interrupted * PARALLEL


def told_in_order(receiver: Receiver) -> None:
    """Every user enters first, and then leaves and enters in turns, whatever came twice."""
    told: defaultdict[str, list[bool]] = defaultdict(list)
    for body in map(json.loads, receiver.deliveries.values()):
        for user in body["entered"]:
            told[user].append(True)
        for user in body["exited"]:
            told[user].append(False)
    for user, turns in told.items():
        assert turns == [number % 2 == 0 for number in range(len(turns))], user


async def test_a_destination_that_hangs_delays_no_other(
    database: Database, tenant: Tenant, stormy: ServiceProcess
) -> None:
    segment = await Segment.create(database, tenant.id)
    await segment.compute(users(3_000))
    hanging = Mischief(share=1, faults=(Fault.HANG,))
    with ExitStack() as stack:
        slow = [stack.enter_context(serving(Receiver(mischief=hanging))) for _ in range(8)]
        quick = stack.enter_context(serving(Receiver()))
        await connect(tenant, [ReceiverPlace(receiver) for receiver in slow], [LedgerSegment(segment, [])])

        async def all_hang() -> bool:
            return all(receiver.arrived for receiver in slow)

        async def is_sent() -> bool:
            return (await tenant.get(connector.id)).last_synced_at.WhichOneof("kind") == "string_value"

        await until(all_hang)
        started = time.monotonic()
        [connector] = await connect(tenant, [ReceiverPlace(quick)], [LedgerSegment(segment, [])])
        await until(is_sent)
        assert time.monotonic() - started < 3
        assert quick.segments[segment.id] == segment.members
        # So that the process can stop at once.
        hanging.share = 0
