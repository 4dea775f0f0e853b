"""Settings of erasures."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ErasureSettings(BaseSettings):
    """How erasures run, from `SEGOPS_ERASURE_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_ERASURE_", frozen=True, extra="ignore")

    # An event that ingestion took just before it heard of an erasure is in the log by then: the log is looked at again.
    grace_seconds: float = Field(default=10.0, ge=0)
    # Erasures that run at a time; those of a tenant share the work in the warehouse and in the log.
    parallel: int = Field(default=8, ge=1)
