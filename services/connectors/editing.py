"""Creating, changing, deleting and syncing connectors."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, func

from services.connectors import store
from services.connectors.configs import Divided, WrongConfig, config_of, goes_elsewhere, wrong_hosts
from services.connectors.destinations.interface import Audience, DestinationType
from services.connectors.fields import Fields, Types, changed_config, new_config
from services.connectors.outbound import Outbound
from services.connectors.queueing import Queue, queue_sync
from services.connectors.sync_position import Position
from services.kit.errors import Invalid, NotFound
from services.kit.postgres import Database
from services.kit.vault import Unreadable, Vault

Columns = dict[str, object]

NOTHING_SENT: Mapping[str, object] = {**Position().columns, "user_count": 0}


class NeverComputed(Invalid):
    """The segment has not been computed yet."""

    def __init__(self) -> None:
        super().__init__(detail=type(self).__doc__ or "")


class Activations:
    """The connectors of all tenants, each of which sees its own."""

    def __init__(self, database: Database, vault: Vault, queue: Queue, types: Types, outbound: Outbound) -> None:
        self._database = database
        self._vault = vault
        self._queue = queue
        self._types = types
        self._outbound = outbound

    async def create(self, tenant_id: int, sent: Fields) -> Row[Any]:
        """A new connector, inactive. Raises Invalid with every wrong field."""
        hosts = await wrong_hosts(sent.get("config"), self._outbound)
        async with self._database.tenant(tenant_id) as connection:
            has_segment = await store.keep_segment(connection, sent.get("segment", 0))
            config = new_config(sent, self._types, self._outbound, hosts=hosts, has_segment=has_segment)
            columns = {
                "tenant_id": tenant_id,
                "segment_id": sent["segment"],
                "connector_type": sent["connector_type"],
                "config": config.public,
                "secrets": self._vault.seal_all(config.secrets),
            }
            return await store.add_activation(connection, columns)

    async def change(self, tenant_id: int, activation_id: int, sent: Fields) -> Row[Any]:
        """The connector with the sent fields changed. Raises NotFound, or Invalid with every wrong field."""
        hosts = await wrong_hosts(sent.get("config"), self._outbound)
        async with self._database.tenant(tenant_id) as connection:
            activation = await store.lock_activation(connection, activation_id)
            if activation is None:
                raise NotFound
            has_segment = "segment" not in sent or await store.keep_segment(connection, sent["segment"])
            stored, kind = self._secrets(activation), self._types[activation.connector_type]
            # Or whoever may edit a connector could have its secrets sent to a server of their own.
            kept = {} if goes_elsewhere(sent.get("config"), activation.config) else stored
            config = changed_config(sent, kind, self._outbound, stored=kept, hosts=hosts, has_segment=has_segment)
            columns = status_columns(activation, sent) | segment_columns(activation, sent)
            if config is not None and config != Divided(public=activation.config, secrets=stored):
                columns |= self._config_columns(activation, kind, stored, config)
            if not columns:
                return activation
            changed = await store.change_activation(connection, activation_id, {**columns, "updated_at": func.now()})
            if changed.status == "active":
                # Also when the segment was never computed: its first compute may be about to commit.
                await queue_sync(connection, self._queue, changed)
            return changed

    async def remove(self, tenant_id: int, activation_id: int) -> None:
        """Deletes a connector with its logs. Raises NotFound."""
        async with self._database.tenant(tenant_id) as connection:
            if not await store.delete_activation(connection, activation_id):
                raise NotFound

    async def request_sync(self, tenant_id: int, activation_id: int) -> None:
        """Queues a sync unless one waits or runs. Raises NotFound, or NeverComputed."""
        async with self._database.tenant(tenant_id) as connection:
            activation = await store.lock_activation(connection, activation_id)
            if activation is None:
                raise NotFound
            if activation.last_run_id is None:
                raise NeverComputed
            if columns := sync_columns(activation):
                await store.change_activation(connection, activation_id, columns)
            await queue_sync(connection, self._queue, activation)

    def _secrets(self, activation: Row[Any]) -> Mapping[str, str]:
        """The stored secrets; none when they cannot be read, so that whoever keeps them is asked for them."""
        try:
            return self._vault.unseal_all(activation.secrets)
        except Unreadable:
            return {}

    def _config_columns(
        self, activation: Row[Any], kind: DestinationType[Any], stored: Mapping[str, str], config: Divided
    ) -> Columns:
        columns: Columns = {
            "config": config.public,
            "secrets": self._vault.seal_all(config.secrets),
            "revision": activation.revision + 1,
        }
        place = place_of(kind, activation, config)
        stays = place is not None and place == place_of(
            kind, activation, Divided(public=activation.config, secrets=stored)
        )
        return columns if stays else {**columns, **NOTHING_SENT}


def status_columns(activation: Row[Any], sent: Fields) -> Columns:
    """What a sent status changes. A pause ends a sync that was asked for by hand, too."""
    status = sent.get("status")
    if status == "active" and activation.status != "active":
        return {"status": "active", "sync_once": False, "last_error": None}
    if status == "inactive" and (activation.status != "inactive" or activation.sync_once):
        return {"status": "inactive", "sync_once": False}
    return {}


def segment_columns(activation: Row[Any], sent: Fields) -> Columns:
    """What a sent segment changes: what was sent of the one before is kept, to be taken back."""
    is_other = sent.get("segment", activation.segment_id) != activation.segment_id
    return {"segment_id": sent["segment"]} if is_other else {}


def sync_columns(activation: Row[Any]) -> Columns:
    """What a sync that is asked for by hand changes: one in error is active again, one that is paused stays so."""
    match activation.status:
        case "error":
            return {"status": "active", "last_error": None}
        case "inactive":
            return {"sync_once": True}
        case _:
            return {}


def place_of(kind: DestinationType[Any], activation: Row[Any], config: Divided) -> str | None:
    """Where a configuration sends the connector's users; None when its type does not take it any more."""
    audience = Audience(
        tenant_id=activation.tenant_id,
        activation_id=activation.id,
        segment_id=activation.segment_id,
        segment_name=activation.segment_name,
    )
    try:
        return kind.place(config_of(kind, config.public, config.secrets), audience)
    except WrongConfig:
        return None
