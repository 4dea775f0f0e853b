"""Settings of the connectors process, on top of those every process reads."""

from datetime import timedelta

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from services.connectors.addresses import AllowList
from services.connectors.sync_patience import Patience
from services.kit.secret_files import FileSettings
from services.kit.vault import KeySettings


class ConnectorsSettings(KeySettings):
    """How secrets are kept and how long is tried, from `SEGOPS_CONNECTORS_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_CONNECTORS_")

    first_retry_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Seconds until a sync or a delivery that failed is tried again; twice as many each time.",
    )
    longest_retry_seconds: float = Field(
        default=600.0, gt=0, description="The most seconds between two attempts of a sync or a delivery."
    )
    give_up_hours: float = Field(
        default=24.0, gt=0, description="Hours for which a sync or a delivery that fails is tried."
    )
    webhook_timeout_seconds: float = Field(
        default=10.0, gt=0, description="Seconds that a webhook's receiver may take to answer."
    )
    keep_days: int = Field(
        default=90, ge=1, description="Days for which logs of syncs and deliveries of webhooks are kept."
    )

    @property
    def patience(self) -> Patience:
        """How long is tried."""
        return Patience(
            first=timedelta(seconds=self.first_retry_seconds),
            longest=timedelta(seconds=self.longest_retry_seconds),
            give_up=timedelta(hours=self.give_up_hours),
        )


class OutboundSettings(FileSettings):
    """Where calls may go beside the public internet, from `SEGOPS_OUTBOUND_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_OUTBOUND_")

    allow: str = Field(
        default="",
        description="Hosts, addresses and networks, with commas, that connectors and webhooks may call beside public "
        "ones, also with plain http.",
    )

    @field_validator("allow")
    @classmethod
    def _is_list(cls, allow: str) -> str:
        AllowList.parse(allow)
        return allow
