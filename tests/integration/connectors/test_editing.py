"""Connectors are created, changed, deleted and synced, each in one transaction with the sync it needs."""

from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.connectors.configs import MASK, NOT_KEPT
from services.connectors.editing import NOTHING_SENT, Activations, NeverComputed
from services.kit.errors import Invalid, NotFound, Unavailable
from services.kit.postgres import Database
from services.kit.vault import Vault
from services.schema.connectors import activation_logs
from tests.integration.connectors.rows import add_log, add_segment, row_of, set_row
from tests.unit.connectors.kinds import OUTBOUND, TOOL

CONFIG = {"list_id": "L1", "api_key": "a-secret-key"}
SENT = {"sent_run": 7, "target_run": 8, "sent_through": "user-5"}


class Queued:
    """Syncs that were queued, by connector; `is_away` as when PostgreSQL is."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.is_away = False

    async def put_sync(
        self, connection: AsyncConnection, *, tenant_id: int, activation_id: int, delay_seconds: float = 0
    ) -> None:
        if self.is_away:
            raise Unavailable
        self.ids.append(activation_id)


@pytest.fixture
def queued() -> Queued:
    return Queued()


@pytest.fixture
def vault() -> Vault:
    return Vault([Fernet.generate_key().decode()])


@pytest.fixture
def connectors(database: Database, vault: Vault, queued: Queued) -> Activations:
    return Activations(database, vault, queued, {"tool": TOOL}, OUTBOUND)


@pytest.fixture
async def segment_id(database: Database, tenant_id: int) -> int:
    return await add_segment(database, tenant_id)


@pytest.fixture
async def connector_id(connectors: Activations, tenant_id: int, segment_id: int) -> int:
    """A new connector."""
    sent = {"segment": segment_id, "connector_type": "tool", "config": CONFIG}
    return int((await connectors.create(tenant_id, sent)).id)


async def test_a_new_connector_is_inactive_and_has_sent_nothing(
    database: Database, queued: Queued, tenant_id: int, segment_id: int, connector_id: int
) -> None:
    row = await row_of(database, tenant_id, connector_id)
    assert (row.segment_id, row.status, row.is_syncing) == (segment_id, "inactive", False)
    assert {name: getattr(row, name) for name in NOTHING_SENT} == NOTHING_SENT
    assert row.created_at == row.updated_at
    assert queued.ids == []


async def test_its_secrets_are_stored_encrypted_only(
    database: Database, vault: Vault, tenant_id: int, connector_id: int
) -> None:
    row = await row_of(database, tenant_id, connector_id)
    assert row.config == {"list_id": "L1", "api_key": MASK}
    assert vault.unseal_all(row.secrets) == {"api_key": "a-secret-key"}
    assert "a-secret-key" not in repr(row)


async def test_a_segment_of_another_tenant_is_none(connectors: Activations, tenant_id: int, segment_id: int) -> None:
    sent = {"segment": segment_id, "connector_type": "tool", "config": CONFIG}
    with pytest.raises(Invalid) as raised:
        await connectors.create(tenant_id + 500_000, sent)
    assert raised.value.fields == {"segment": [f"There is no segment {segment_id}."]}


async def test_activating_queues_one_sync(
    connectors: Activations, database: Database, queued: Queued, tenant_id: int, connector_id: int
) -> None:
    for _ in range(2):
        assert (await connectors.change(tenant_id, connector_id, {"status": "active"})).status == "active"
    assert queued.ids == [connector_id]
    assert (await row_of(database, tenant_id, connector_id)).is_syncing is True


async def test_activating_does_not_wait_for_a_failed_sync_to_be_tried_again(
    connectors: Activations, database: Database, queued: Queued, tenant_id: int, connector_id: int
) -> None:
    failed = {"status": "error", "last_error": "wrong key", "is_syncing": True, "attempts": 9}
    await set_row(database, tenant_id, connector_id, **failed)
    changed = await connectors.change(tenant_id, connector_id, {"status": "active"})
    assert (changed.status, changed.last_error) == ("active", None)
    assert queued.ids == [connector_id]
    assert (await row_of(database, tenant_id, connector_id)).attempts == 0


async def test_a_sync_that_cannot_be_queued_leaves_the_connector_as_it_was(
    connectors: Activations, database: Database, queued: Queued, tenant_id: int, connector_id: int
) -> None:
    queued.is_away = True
    with pytest.raises(Unavailable):
        await connectors.change(tenant_id, connector_id, {"status": "active"})
    assert (await row_of(database, tenant_id, connector_id)).status == "inactive"


async def test_a_pause_keeps_the_position(
    connectors: Activations, database: Database, queued: Queued, tenant_id: int, connector_id: int
) -> None:
    await set_row(database, tenant_id, connector_id, status="active", is_syncing=True, **SENT)
    assert (await connectors.change(tenant_id, connector_id, {"status": "inactive"})).status == "inactive"
    row = await row_of(database, tenant_id, connector_id)
    assert {name: getattr(row, name) for name in SENT} == SENT
    assert queued.ids == []


async def test_another_secret_keeps_the_position_and_another_list_starts_over(
    connectors: Activations, database: Database, tenant_id: int, connector_id: int
) -> None:
    await set_row(database, tenant_id, connector_id, **SENT)
    await connectors.change(tenant_id, connector_id, {"config": {**CONFIG, "api_key": "another-secret"}})
    row = await row_of(database, tenant_id, connector_id)
    assert {name: getattr(row, name) for name in SENT} == SENT
    await connectors.change(tenant_id, connector_id, {"config": {"list_id": "L2", "api_key": MASK}})
    moved = await row_of(database, tenant_id, connector_id)
    assert {name: getattr(moved, name) for name in NOTHING_SENT} == NOTHING_SENT
    assert (row.revision, moved.revision) == (1, 2)


async def test_a_mask_keeps_the_stored_secret(
    connectors: Activations, database: Database, vault: Vault, tenant_id: int, connector_id: int
) -> None:
    await connectors.change(tenant_id, connector_id, {"config": {"list_id": "L2", "api_key": MASK}})
    row = await row_of(database, tenant_id, connector_id)
    assert row.config == {"list_id": "L2", "api_key": MASK}
    assert vault.unseal_all(row.secrets) == {"api_key": "a-secret-key"}


async def test_a_secret_under_a_lost_key_has_to_be_sent_again(
    database: Database, queued: Queued, tenant_id: int, connector_id: int
) -> None:
    without_key = Activations(database, Vault([Fernet.generate_key().decode()]), queued, {"tool": TOOL}, OUTBOUND)
    with pytest.raises(Invalid) as raised:
        await without_key.change(tenant_id, connector_id, {"config": {"list_id": "L2", "api_key": MASK}})
    assert raised.value.fields == {"config": [f"api_key: {NOT_KEPT}"]}
    await without_key.change(tenant_id, connector_id, {"config": CONFIG})


@pytest.mark.parametrize(
    "sent", [{}, {"status": "inactive"}, {"config": CONFIG}, {"config": {**CONFIG, "api_key": MASK}}]
)
async def test_what_is_the_same_changes_nothing(
    connectors: Activations, database: Database, tenant_id: int, connector_id: int, sent: dict[str, object]
) -> None:
    before = await row_of(database, tenant_id, connector_id)
    await connectors.change(tenant_id, connector_id, sent)
    assert await row_of(database, tenant_id, connector_id) == before


async def test_a_change_of_an_active_connector_queues_a_sync(
    connectors: Activations, database: Database, queued: Queued, tenant_id: int, connector_id: int
) -> None:
    await set_row(database, tenant_id, connector_id, status="active", **SENT)
    other = await add_segment(database, tenant_id)
    assert (await connectors.change(tenant_id, connector_id, {"segment": other})).segment_id == other
    row = await row_of(database, tenant_id, connector_id)
    assert {name: getattr(row, name) for name in SENT} == SENT
    assert queued.ids == [connector_id]


async def test_a_change_of_a_paused_connector_queues_none(
    connectors: Activations, database: Database, queued: Queued, tenant_id: int, connector_id: int
) -> None:
    other = await add_segment(database, tenant_id)
    await connectors.change(tenant_id, connector_id, {"segment": other, "config": {**CONFIG, "size": 4}})
    assert queued.ids == []


async def test_every_wrong_field_of_a_change_is_in_one_answer_and_changes_nothing(
    connectors: Activations, database: Database, tenant_id: int, connector_id: int
) -> None:
    before = await row_of(database, tenant_id, connector_id)
    with pytest.raises(Invalid) as raised:
        await connectors.change(tenant_id, connector_id, {"segment": 0, "status": "error", "config": {}})
    assert raised.value.fields.keys() == {"segment", "status", "config"}
    assert await row_of(database, tenant_id, connector_id) == before


async def test_a_sync_by_hand_is_queued_once(
    connectors: Activations, database: Database, queued: Queued, tenant_id: int, connector_id: int
) -> None:
    await set_row(database, tenant_id, connector_id, status="active")
    for _ in range(3):
        await connectors.request_sync(tenant_id, connector_id)
    assert queued.ids == [connector_id]


async def test_a_sync_by_hand_of_a_paused_connector_leaves_it_paused(
    connectors: Activations, database: Database, queued: Queued, tenant_id: int, connector_id: int
) -> None:
    await connectors.request_sync(tenant_id, connector_id)
    row = await row_of(database, tenant_id, connector_id)
    assert (row.status, row.sync_once, row.is_syncing) == ("inactive", True, True)
    assert queued.ids == [connector_id]


async def test_a_sync_by_hand_revives_a_connector_in_error(
    connectors: Activations, database: Database, queued: Queued, tenant_id: int, connector_id: int
) -> None:
    await set_row(database, tenant_id, connector_id, status="error", last_error="wrong key")
    await connectors.request_sync(tenant_id, connector_id)
    row = await row_of(database, tenant_id, connector_id)
    assert (row.status, row.last_error, row.sync_once) == ("active", None, False)
    assert queued.ids == [connector_id]


async def test_a_segment_that_was_never_computed_has_nothing_to_sync(
    connectors: Activations, database: Database, queued: Queued, tenant_id: int
) -> None:
    segment_id = await add_segment(database, tenant_id, last_run_id=None)
    sent = {"segment": segment_id, "connector_type": "tool", "config": CONFIG}
    created = await connectors.create(tenant_id, sent)
    with pytest.raises(NeverComputed):
        await connectors.request_sync(tenant_id, created.id)
    assert queued.ids == []


async def test_a_connector_is_deleted_with_its_logs(
    connectors: Activations, database: Database, tenant_id: int, connector_id: int
) -> None:
    await add_log(database, tenant_id, connector_id)
    await connectors.remove(tenant_id, connector_id)
    async with database.tenant(tenant_id) as connection:
        assert (await connection.execute(select(func.count()).select_from(activation_logs))).scalar_one() == 0


@pytest.mark.parametrize(
    "attempt",
    [
        lambda connectors, tenant_id, connector_id: connectors.change(tenant_id, connector_id, {}),
        lambda connectors, tenant_id, connector_id: connectors.remove(tenant_id, connector_id),
        lambda connectors, tenant_id, connector_id: connectors.request_sync(tenant_id, connector_id),
    ],
    ids=["change", "remove", "sync"],
)
async def test_another_tenants_connector_is_not_there(
    connectors: Activations, tenant_id: int, connector_id: int, attempt: Callable[..., object]
) -> None:
    with pytest.raises(NotFound):
        await attempt(connectors, tenant_id + 500_000, connector_id)  # type: ignore[misc]
