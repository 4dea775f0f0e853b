"""A connectors process in a storm, and places to send to."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack

import pytest

from services.kit.channel import connect
from services.kit.settings import Settings
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.conftest import LOOPBACK
from tests.integration.connectors.storm.places import (
    BrazePlace,
    FilePlace,
    KlaviyoPlace,
    Place,
    ReceiverPlace,
    TalonOnePlace,
)
from tests.integration.process import ServiceProcess
from tests.integration.segments.calling import Tenant as SegmentsTenant
from tests.standins.braze import Braze
from tests.standins.klaviyo import Klaviyo
from tests.standins.mischief import QUICK, Fault, Mischief
from tests.standins.receiver import Receiver
from tests.standins.server import serving
from tests.standins.talonone import TalonOne

# Of the requests.
SHARE = 0.15

HASTY = {
    "SEGOPS_CONNECTORS_FIRST_RETRY_SECONDS": "0.05",
    "SEGOPS_CONNECTORS_LONGEST_RETRY_SECONDS": "0.5",
}


def mischief(seed: int) -> Mischief:
    """Every fault there is; what hangs gives up soon."""
    return Mischief(seed=seed, share=SHARE, faults=(*QUICK, Fault.HANG), hang_seconds=0.2)


@pytest.fixture
def klaviyo() -> Iterator[Klaviyo]:
    with serving(Klaviyo("ONE", "TWO")) as klaviyo:
        yield klaviyo


@pytest.fixture
def stormy(process: ServiceProcess, settings: Settings, klaviyo: Klaviyo) -> Iterator[ServiceProcess]:
    """A connectors process in the place of the one for all tests: it tries again at once, and calls this Klaviyo."""
    process.stop()
    stormy = ServiceProcess(settings, "connectors", **LOOPBACK, **HASTY, SEGOPS_CONNECTORS_KLAVIYO_URL=klaviyo.url)
    stormy.start()
    yield stormy
    stormy.stop()
    process.start()


@pytest.fixture
def places(klaviyo: Klaviyo, settings: Settings, tenant: Tenant) -> Iterator[Sequence[Place]]:
    """Two of each type, but for one file."""
    klaviyo.mischief = mischief(1)
    with ExitStack() as stack:
        braze = [stack.enter_context(serving(Braze(mischief=mischief(seed)))) for seed in (2, 3)]
        talon = [stack.enter_context(serving(TalonOne(7, mischief=mischief(seed)))) for seed in (4, 5)]
        receivers = [
            stack.enter_context(serving(Receiver(secret="a secret", mischief=mischief(seed)))) for seed in (6, 7)
        ]
        yield [
            *map(BrazePlace, braze),
            *(KlaviyoPlace(klaviyo, list_id) for list_id in ("ONE", "TWO")),
            *(TalonOnePlace(standin, 7) for standin in talon),
            *map(ReceiverPlace, receivers),
            FilePlace(settings.home / "connectors" / f"tenant-{tenant.id}", "members"),
        ]


@pytest.fixture
async def owner(settings: Settings, stormy: ServiceProcess, tenant: Tenant) -> AsyncIterator[SegmentsTenant]:
    """A tenant of the segments service, which runs beside others that may."""
    address = f"unix:{settings.run_dir / 'segments-3.sock'}"
    process = ServiceProcess(settings, "segments", SEGOPS_LISTEN=address)
    process.start()
    async with connect(settings.model_copy(update={"segments_address": address}), "segments") as channel:
        yield SegmentsTenant(settings, channel, tenant.id)
    process.stop()
