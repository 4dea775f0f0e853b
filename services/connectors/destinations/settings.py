"""What the operator says about destinations."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.connectors.destinations.interface import Means
from services.connectors.outbound import Outbound
from services.kit.secret_files import FileSettings
from services.kit.settings import Settings


class DestinationSettings(FileSettings):
    """Where destinations are, from `SEGOPS_CONNECTORS_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_CONNECTORS_")

    files_url: str = Field(
        default="",
        pattern=r"^$|^file:///|^s3://[^/?@]+([/?]|$)",
        description="Where files of connectors go that name no bucket: `file:///directory` or "
        "`s3://bucket/prefix?region=...`; the directory `connectors` in the data directory when empty. Processes on "
        "several machines need a bucket, or a directory that they share.",
    )
    klaviyo_url: str = Field(
        default="https://a.klaviyo.com", pattern=r"^https?://[^/]+$", description="Where Klaviyo's API is."
    )


def means(settings: Settings, destinations: DestinationSettings, outbound: Outbound) -> Means:
    """What destinations work with."""
    return Means(
        outbound=outbound,
        files_url=destinations.files_url or (settings.home / "connectors").as_uri(),
        klaviyo_url=destinations.klaviyo_url,
    )
