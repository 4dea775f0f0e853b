"""Settings of the connectors process, on top of those every process reads."""

from datetime import timedelta

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.connectors.addresses import AllowList
from services.connectors.sync_patience import Patience
from services.kit.vault import KeySettings


class ConnectorsSettings(KeySettings):
    """How secrets are kept and how long is tried, from `SEGOPS_CONNECTORS_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_CONNECTORS_")

    # How long a sync that fails waits until it is tried again, at first and at most, and how long it is tried.
    first_retry_seconds: float = Field(default=5.0, gt=0)
    longest_retry_seconds: float = Field(default=600.0, gt=0)
    give_up_hours: float = Field(default=24.0, gt=0)
    # How long a webhook's receiver may take to answer.
    webhook_timeout_seconds: float = Field(default=10.0, gt=0)
    # How long logs of syncs and deliveries of webhooks are kept.
    keep_days: int = Field(default=90, ge=1)

    @property
    def patience(self) -> Patience:
        """How long is tried."""
        return Patience(
            first=timedelta(seconds=self.first_retry_seconds),
            longest=timedelta(seconds=self.longest_retry_seconds),
            give_up=timedelta(hours=self.give_up_hours),
        )


class OutboundSettings(BaseSettings):
    """Where calls may go beside the public internet, from `SEGOPS_OUTBOUND_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_OUTBOUND_", frozen=True, extra="ignore")

    # Hosts, addresses and CIDRs, separated by commas; also with plain http.
    allow: str = ""

    @field_validator("allow")
    @classmethod
    def _is_list(cls, allow: str) -> str:
        AllowList.parse(allow)
        return allow
