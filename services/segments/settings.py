"""Settings of the segments process, on top of those every process reads."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.kit.secret_files import FileSettings


class SegmentsSettings(FileSettings):
    """How segments are kept up to date, from `SEGOPS_SEGMENTS_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_SEGMENTS_")

    schedule_check_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Seconds between two looks for segments whose scheduled compute is due; the shortest schedule is "
        "five minutes.",
    )


class ExportSettings(FileSettings):
    """Where exports are kept and for how long, from `SEGOPS_EXPORTS_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_EXPORTS_")

    url: str = Field(
        default="",
        pattern=r"^$|^file:///|^s3://[^/?@]+([/?]|$)",
        description="Where exports are kept: `file:///directory` or `s3://bucket/prefix?region=...`; the directory "
        "`exports` in the data directory when empty. Processes on several machines need a bucket, or a directory that "
        "they share.",
    )
    keep_hours: float = Field(default=24.0, gt=0, description="Hours for which an export can be downloaded.")
