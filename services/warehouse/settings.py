"""Settings of the warehouse process, on top of those every process reads."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024

# What the process takes beside what the embedded engine counts: the engine's code (290 MiB), Python, blocks on their
# way in, and memory that was freed and is not given back yet. Measured while messages of 15 MB came in without a pause.
UNCOUNTED_MIB = 512


class WarehouseSettings(BaseSettings):
    """Limits of queries and the shape of loaded blocks, from `SEGOPS_WAREHOUSE_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_WAREHOUSE_", frozen=True, extra="ignore")

    # Of the whole process. With less than a gibibyte the largest blocks (16 MiB and a message of 24 MB) would find no
    # room beside a merge.
    memory_mib: int = Field(default=2048, ge=1024)

    # Definitions run one at a time: two at once only take twice as long on the same cores.
    definition_seconds: int = Field(default=60, ge=1)
    lookup_threads: int = Field(default=4, ge=1)
    lookup_seconds: int = Field(default=10, ge=1)

    # A block is inserted when it is full, or this long after its first message arrived. A short linger makes events
    # visible sooner, a long one makes blocks larger, which cost less per row.
    linger_seconds: float = Field(default=0.2, gt=0, le=5)
    block_rows: int = Field(default=50_000, ge=1)
    block_mib: int = Field(default=16, ge=1)

    @property
    def engine_bytes(self) -> int:
        """What all queries, inserts and merges may take together."""
        return (self.memory_mib - UNCOUNTED_MIB) * MIB

    @property
    def definition_bytes(self) -> int:
        """What a definition may take: half, so that it leaves room for inserts and merges."""
        return self.engine_bytes // 2

    @property
    def lookup_bytes(self) -> int:
        """What a look-up may take; almost all take next to nothing."""
        return self.engine_bytes // 4
