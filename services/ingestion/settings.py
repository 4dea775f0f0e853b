"""Settings of the ingestion process, on top of those every process reads."""

from pydantic_settings import SettingsConfigDict

from services.kit.vault import KeySettings


class IngestionSettings(KeySettings):
    """How secrets are kept, from `SEGOPS_INGESTION_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_INGESTION_")
