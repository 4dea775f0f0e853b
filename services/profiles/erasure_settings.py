"""Settings of erasures."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.kit.secret_files import FileSettings


class ErasureSettings(FileSettings):
    """How erasures run, from `SEGOPS_ERASURE_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_ERASURE_")

    grace_seconds: float = Field(
        default=10.0,
        ge=0,
        description="Seconds after which an erasure looks at the log once more: what ingestion took just before it "
        "heard of the erasure is there by then.",
    )
    parallel: int = Field(
        default=8,
        ge=1,
        description="Erasures that run at a time; those of a tenant share the work in the warehouse and in the log.",
    )
