"""What the operator says about destinations."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.connectors.destinations.interface import Means
from services.connectors.outbound import Outbound
from services.kit.settings import Settings


class DestinationSettings(BaseSettings):
    """Where destinations are, from `SEGOPS_CONNECTORS_*` variables."""

    model_config = SettingsConfigDict(
        env_prefix="SEGOPS_CONNECTORS_",
        frozen=True,
        extra="ignore",
        # Someone may try to put credentials into the URL.
        hide_input_in_errors=True,
    )

    # Where files go for which the owner names no bucket: `file:///directory` or `s3://bucket/prefix?region=...` (see
    # services/kit/bucket.py); the directory `connectors` in the data directory when empty. Processes on several
    # machines need a bucket, or a directory that they share.
    files_url: str = Field(default="", pattern=r"^$|^file:///|^s3://[^/?@]+([/?]|$)")
    klaviyo_url: str = Field(default="https://a.klaviyo.com", pattern=r"^https?://[^/]+$")


def means(settings: Settings, destinations: DestinationSettings, outbound: Outbound) -> Means:
    """What destinations work with."""
    return Means(
        outbound=outbound,
        files_url=destinations.files_url or (settings.home / "connectors").as_uri(),
        klaviyo_url=destinations.klaviyo_url,
    )
