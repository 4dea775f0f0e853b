"""Settings of the segments process, on top of those every process reads."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SegmentsSettings(BaseSettings):
    """How segments are kept up to date, from `SEGOPS_SEGMENTS_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_SEGMENTS_", frozen=True, extra="ignore")

    # Between two looks for segments whose scheduled compute is due. The shortest schedule is five minutes.
    schedule_check_seconds: float = Field(default=5.0, gt=0)


class ExportSettings(BaseSettings):
    """Where exports are kept and for how long, from `SEGOPS_EXPORTS_*` variables."""

    model_config = SettingsConfigDict(
        env_prefix="SEGOPS_EXPORTS_",
        frozen=True,
        extra="ignore",
        # Someone may try to put credentials into the URL.
        hide_input_in_errors=True,
    )

    # `file:///directory` or `s3://bucket/prefix?region=...` (see services/kit/bucket.py); the directory `exports` in
    # the data directory when empty. Processes on several machines need a bucket, or a directory that they share.
    url: str = Field(default="", pattern=r"^$|^file:///|^s3://[^/?@]+([/?]|$)")
    keep_hours: float = Field(default=24.0, gt=0)
