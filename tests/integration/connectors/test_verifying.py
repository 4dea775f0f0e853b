"""The drift check before stand-ins: what it finds, what it repairs, and that syncs wait for it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Row, text

from services.connectors.addresses import AllowList
from services.connectors.destinations import TYPES
from services.connectors.destinations.interface import Audience, Chunk, Means
from services.connectors.editing import Activations
from services.connectors.outbound import Outbound
from services.connectors.settings import ConnectorsSettings
from services.connectors.sync_destinations import Destinations
from services.connectors.sync_jobs import SYNCS, SyncQueue
from services.connectors.verifying import (
    ChangedMeanwhile,
    NeverSynced,
    NotReadable,
    NotTaken,
    Syncing,
    Verification,
    Verifier,
)
from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.kit.errors import NotFound, Unavailable
from services.kit.jobs import Jobs
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.kit.vault import Vault
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.rows import row_of, set_row
from tests.integration.segments.calling import until
from tests.standins.klaviyo import Klaviyo
from tests.standins.mischief import Fault, Mischief
from tests.standins.server import serving

LIST = "Y6nRLr"
VAULT = Vault(["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="])
USERS = [f"user-{number:03d}@example.com" for number in range(150)]


@pytest.fixture
def klaviyo() -> Iterator[Klaviyo]:
    with serving(Klaviyo(LIST)) as klaviyo:
        yield klaviyo


@pytest.fixture
async def means(klaviyo: Klaviyo, tmp_path: Path) -> AsyncIterator[Means]:
    outbound = Outbound(AllowList.parse("127.0.0.1"))
    yield Means(outbound=outbound, files_url=tmp_path.as_uri(), klaviyo_url=klaviyo.url)
    await outbound.close()


class Connector:
    """A connector of a tenant, whose segment was synced."""

    def __init__(self, database: Database, verifier: Verifier, row: Row[Any], segment: Segment) -> None:
        self.id = row.id
        self.segment = segment
        self._database = database
        self._tenant_id = row.tenant_id
        self._verifier = verifier

    async def verify(self, *, repair: bool = False, tenant_id: int | None = None) -> Verification:
        return await self._verifier.verify(tenant_id or self._tenant_id, self.id, repair=repair)

    async def row(self) -> Row[Any]:
        return await row_of(self._database, self._tenant_id, self.id)

    async def set(self, **columns: object) -> None:
        await set_row(self._database, self._tenant_id, self.id, **columns)

    async def delay(self) -> float | None:
        """How many seconds the sync that waits is put off; None when it is not."""
        async with self._database.system() as connection:
            statement = text("SELECT scheduled_at - now() FROM procrastinate_jobs WHERE lock = :lock")
            delay = await connection.scalar(statement, {"lock": f"sync {self.id}"})
        return None if delay is None else float(delay.total_seconds())


class Maker:
    """Makes connectors of one tenant. Syncs are queued, and nobody runs them."""

    def __init__(self, settings: Settings, database: Database, means: Means, tenant_id: int) -> None:
        destinations = Destinations(TYPES, VAULT, means)
        queue = SyncQueue(database, destinations, ConnectorsSettings().patience)
        Jobs(settings, database, SYNCS, queue.tasks)
        self._activations = Activations(database, VAULT, queue, TYPES, means.outbound)
        self._verifier = Verifier(database, destinations, queue)
        self._database = database
        self._tenant_id = tenant_id

    async def connector(self, kind: str, config: dict[str, object], members: Collection[str] = USERS) -> Connector:
        segment = await Segment.create(self._database, self._tenant_id)
        run_id = await segment.compute(members)
        sent = {"segment": segment.id, "connector_type": kind, "config": config}
        row = await self._activations.create(self._tenant_id, sent)
        connector = Connector(self._database, self._verifier, row, segment)
        await connector.set(sent_segment_id=segment.id, sent_run=run_id)
        return connector


@pytest.fixture
def make(settings: Settings, database: Database, means: Means, tenant_id: int) -> Maker:
    return Maker(settings, database, means, tenant_id)


def on_list(klaviyo: Klaviyo) -> dict[str, object]:
    return {"list_id": LIST, "api_key": klaviyo.key}


async def test_a_list_without_drift_matches(make: Maker, klaviyo: Klaviyo) -> None:
    connector = await make.connector("klaviyo", on_list(klaviyo), [*USERS[:-1], "User 7"])
    for user in USERS[:-1]:
        klaviyo.add(LIST, email=user, external_id=f"of {user}")
    klaviyo.add(LIST, external_id="User 7", email="seven@example.com")
    assert await connector.verify() == Verification(
        matching=150, missing=0, extra=0, missing_user_ids=[], extra_user_ids=[], repaired=False
    )


async def test_drift_is_told_and_repaired_when_asked_for(make: Maker, klaviyo: Klaviyo) -> None:
    connector = await make.connector("klaviyo", on_list(klaviyo), [user.upper() for user in USERS])
    for user in USERS[:20]:
        klaviyo.add(LIST, email=user)
    for number in range(110):
        klaviyo.add(LIST, email=f"other-{number:03d}@example.com")
    nameless = klaviyo.add(LIST)
    drift = Verification(
        matching=20,
        missing=130,
        extra=111,
        missing_user_ids=[user.upper() for user in USERS[20:120]],
        extra_user_ids=[nameless, *(f"other-{number:03d}@example.com" for number in range(99))],
        repaired=False,
    )
    assert await connector.verify() == drift
    assert len(klaviyo.members(LIST)) == 131
    assert (await connector.verify(repair=True)).repaired
    assert klaviyo.members(LIST) == set(USERS)
    assert (await connector.verify()).matching == 150


async def test_users_whom_the_destination_never_takes_stay_missing(make: Maker, klaviyo: Klaviyo) -> None:
    connector = await make.connector("klaviyo", on_list(klaviyo), [USERS[0], "x@invalid.example"])
    for _ in range(2):
        assert (await connector.verify(repair=True)).missing_user_ids[-1] == "x@invalid.example"
    assert klaviyo.members(LIST) == {USERS[0]}


@pytest.mark.parametrize("list_format", ["csv", "parquet"])
async def test_files_are_verified_too(make: Maker, means: Means, list_format: str) -> None:
    connector = await make.connector("file", {"format": list_format})
    assert (await connector.verify()).missing == 150
    row = await connector.row()
    audience = Audience(tenant_id=row.tenant_id, activation_id=row.id, segment_id=row.segment_id, segment_name="Buyers")
    destination = TYPES["file"].open(TYPES["file"].config(format=list_format), audience, means)
    await destination.send(Chunk(id=uuid4(), entered=["extra", *USERS[7:]], exited=[]))
    await destination.finish()
    found = await connector.verify(repair=True)
    assert (found.matching, found.missing_user_ids, found.extra_user_ids) == (143, USERS[:7], ["extra"])
    assert (await connector.verify()).matching == 150
    assert (await connector.verify()).extra == 0


async def test_what_was_sent_is_compared_and_not_what_was_computed_since(make: Maker, klaviyo: Klaviyo) -> None:
    connector = await make.connector("klaviyo", on_list(klaviyo), USERS[:10])
    await connector.segment.compute(USERS[5:15])
    for user in USERS[:10]:
        klaviyo.add(LIST, email=user)
    found = await connector.verify(repair=True)
    assert (found.matching, found.missing, found.extra) == (10, 0, 0)
    assert klaviyo.members(LIST) == set(USERS[:10])


async def test_who_cannot_be_verified_is_told_why(make: Maker, klaviyo: Klaviyo, tenant_id: int) -> None:
    braze = await make.connector("braze", {"rest_endpoint": "https://rest.example.com", "api_key": "k"})
    with pytest.raises(NotReadable):
        await braze.verify()
    connector = await make.connector("klaviyo", on_list(klaviyo))
    await connector.set(is_syncing=True)
    with pytest.raises(Syncing):
        await connector.verify()
    row = await connector.row()
    await connector.set(is_syncing=False, target_segment_id=row.segment_id, target_run=9, sent_through="u")
    with pytest.raises(Syncing):
        await connector.verify()
    await connector.set(target_segment_id=None, target_run=None, sent_through=None, sent_segment_id=None, sent_run=0)
    with pytest.raises(NeverSynced):
        await connector.verify(repair=True)
    with pytest.raises(NotFound):
        await connector.verify(tenant_id=tenant_id + 500_000)


async def test_a_destination_that_refuses_is_told_without_its_secrets(make: Maker, klaviyo: Klaviyo) -> None:
    connector = await make.connector("klaviyo", {"list_id": LIST, "api_key": "pk_secret_of_the_owner"})
    with pytest.raises(NotTaken, match="Klaviyo answered 401") as raised:
        await connector.verify()
    assert "pk_secret" not in raised.value.detail
    assert not (await connector.row()).is_syncing


async def test_a_destination_that_is_away_leads_to_another_try(make: Maker, klaviyo: Klaviyo) -> None:
    connector = await make.connector("klaviyo", on_list(klaviyo))
    klaviyo.mischief = Mischief(retry_after=3_600)
    klaviyo.mischief.then(Fault.THROTTLE)
    with pytest.raises(Unavailable) as raised:
        await connector.verify()
    assert raised.value.retry_after_seconds == 3_600


async def test_syncs_wait_until_the_verification_is_over(make: Maker, klaviyo: Klaviyo) -> None:
    connector = await make.connector("klaviyo", on_list(klaviyo))
    klaviyo.mischief = Mischief(slow_seconds=0.5)
    klaviyo.mischief.then(Fault.SLOW)
    verifying = asyncio.create_task(connector.verify())
    while klaviyo.arrived == 0:
        await asyncio.sleep(0.01)
    assert (await connector.row()).is_syncing
    delay = await connector.delay()
    assert delay is not None
    assert 60 < delay <= 120
    with pytest.raises(Syncing):
        await connector.verify()
    await connector.segment.compute(USERS[:10])
    await verifying
    assert not (await connector.row()).is_syncing


async def test_what_was_computed_meanwhile_is_synced_at_once(make: Maker, klaviyo: Klaviyo) -> None:
    connector = await make.connector("klaviyo", on_list(klaviyo))
    await connector.set(status="active")
    await connector.segment.compute(USERS[:10])
    await connector.verify()
    assert (await connector.row()).is_syncing
    assert await connector.delay() is None


async def test_a_connector_that_is_changed_meanwhile_is_not_repaired(make: Maker, klaviyo: Klaviyo) -> None:
    connector = await make.connector("klaviyo", on_list(klaviyo))
    klaviyo.mischief = Mischief(slow_seconds=0.5)
    klaviyo.mischief.then(Fault.SLOW)
    verifying = asyncio.create_task(connector.verify(repair=True))
    while klaviyo.arrived == 0:
        await asyncio.sleep(0.01)
    await connector.set(revision=1)
    with pytest.raises(ChangedMeanwhile):
        await verifying
    assert klaviyo.members(LIST) == set()


async def test_a_connector_is_verified_over_the_wire(tenant: Tenant, database: Database, settings: Settings) -> None:
    segment = await Segment.create(database, tenant.id)
    await segment.compute(USERS)
    connector = await tenant.create(segment.id, "file", {"name": "buyers"})
    await tenant.sync(connector.id)

    async def is_synced() -> bool:
        return bool((await tenant.get(connector.id)).last_synced_at.string_value)

    await until(is_synced)
    path = settings.home / "connectors" / f"tenant-{tenant.id}" / f"connector-{connector.id}" / "buyers.csv"
    path.write_text("user_id\nextra\n" + "\n".join(USERS[1:]) + "\n")
    request = pb.VerifyActivationRequest(id=connector.id, repair=True)
    found = await tenant.call("VerifyActivation", request)
    assert (found.matching, list(found.missing_user_ids), list(found.extra_user_ids)) == (149, USERS[:1], ["extra"])
    assert found.repaired
    assert path.read_text() == "user_id\n" + "\n".join(USERS) + "\n"
