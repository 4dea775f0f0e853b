"""Connectors' destinations, opened for a sync."""

from typing import Any

from sqlalchemy import Row

from services.connectors.configs import WrongConfig, stored_config
from services.connectors.destinations.interface import Audience, Destination, DestinationType, Means, Refused
from services.connectors.fields import Types
from services.kit.vault import Unreadable, Vault

NO_TYPE = "Connectors of this type are not supported any more."
NO_SECRETS = "The stored secrets cannot be read any more; send the configuration again."


class Destinations:
    """Opens destinations as connectors are configured."""

    def __init__(self, types: Types, vault: Vault, means: Means) -> None:
        self._types = types
        self._vault = vault
        self._means = means

    def open(self, activation: Row[Any], segment_id: int, segment_name: str) -> Destination:
        """Where a connector sends a segment. Raises Refused."""
        kind, config = self._config(activation)
        return kind.open(config, _audience(activation, segment_id, segment_name), self._means)

    def place(self, activation: Row[Any], segment_id: int) -> str:
        """What tells this place from others. Raises Refused."""
        kind, config = self._config(activation)
        return kind.place(config, _audience(activation, segment_id, ""))

    def secrets(self, activation: Row[Any]) -> list[str]:
        """A connector's secrets, to keep them out of texts."""
        try:
            return list(self._vault.unseal_all(activation.secrets).values())
        except Unreadable:
            return []

    def _config(self, activation: Row[Any]) -> tuple[DestinationType[Any], Any]:
        kind = self._types.get(activation.connector_type)
        if kind is None:
            raise Refused(NO_TYPE)
        try:
            return kind, stored_config(kind, activation.config, activation.secrets, self._vault)
        except Unreadable as error:
            raise Refused(NO_SECRETS) from error
        except WrongConfig as error:
            raise Refused(f"The configuration is not valid any more: {error}") from error


def _audience(activation: Row[Any], segment_id: int, segment_name: str) -> Audience:
    return Audience(
        tenant_id=activation.tenant_id,
        activation_id=activation.id,
        segment_id=segment_id,
        segment_name=segment_name,
    )
