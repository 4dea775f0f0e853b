"""Settings of the warehouse process, on top of those every process reads."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class WarehouseSettings(BaseSettings):
    """Limits of queries and the shape of loaded blocks, from `SEGOPS_WAREHOUSE_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_WAREHOUSE_", frozen=True, extra="ignore")

    # Definitions run one at a time: two at once only take twice as long on the same cores.
    definition_memory_mib: int = Field(default=2048, ge=64)
    definition_seconds: int = Field(default=60, ge=1)
    lookup_threads: int = Field(default=4, ge=1)
    lookup_memory_mib: int = Field(default=1024, ge=64)
    lookup_seconds: int = Field(default=10, ge=1)

    # A block is inserted when it is full, or this long after its first message arrived. A short linger makes events
    # visible sooner, a long one makes blocks larger, which cost less per row.
    linger_seconds: float = Field(default=0.2, gt=0, le=5)
    block_rows: int = Field(default=50_000, ge=1)
    block_mib: int = Field(default=16, ge=1)
