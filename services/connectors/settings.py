"""Settings of the connectors process, on top of those every process reads."""

from datetime import timedelta

from cryptography.fernet import Fernet
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.connectors.addresses import AllowList
from services.connectors.sync_patience import Patience


class ConnectorsSettings(BaseSettings):
    """How secrets are kept and how long is tried, from `SEGOPS_CONNECTORS_*` variables."""

    model_config = SettingsConfigDict(
        env_prefix="SEGOPS_CONNECTORS_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    # Fernet keys (32 bytes, URL-safe base64), separated by commas. The first encrypts, the others still decrypt; so
    # does the key made at the first start, which encrypts where none is set. To rotate with several processes, add the
    # new key behind the old one everywhere, then put it first.
    keys: SecretStr = SecretStr("")
    # How long a sync that fails waits until it is tried again, at first and at most, and how long it is tried.
    first_retry_seconds: float = Field(default=5.0, gt=0)
    longest_retry_seconds: float = Field(default=600.0, gt=0)
    give_up_hours: float = Field(default=24.0, gt=0)
    # How long a webhook's receiver may take to answer.
    webhook_timeout_seconds: float = Field(default=10.0, gt=0)
    # How long logs of syncs and deliveries of webhooks are kept.
    keep_days: int = Field(default=90, ge=1)

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr) -> SecretStr:
        for key in split(keys):
            try:
                Fernet(key)
            except ValueError:
                raise ValueError(
                    "each key must be 32 bytes in URL-safe base64, as Fernet.generate_key() makes"
                ) from None
        return keys

    @property
    def patience(self) -> Patience:
        """How long is tried."""
        return Patience(
            first=timedelta(seconds=self.first_retry_seconds),
            longest=timedelta(seconds=self.longest_retry_seconds),
            give_up=timedelta(hours=self.give_up_hours),
        )

    @property
    def key_list(self) -> list[str]:
        """The keys, the one that encrypts first."""
        return split(self.keys)


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


def split(keys: SecretStr) -> list[str]:
    """The texts between the commas, without what is blank."""
    return [key for part in keys.get_secret_value().split(",") if (key := part.strip())]
