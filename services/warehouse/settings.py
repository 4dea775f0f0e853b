"""Settings of the warehouse process, on top of those every process reads."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.kit.secret_files import FileSettings

MIB = 1024 * 1024

# What the process takes beside what the embedded engine counts: the engine's code (290 MiB), Python, blocks on their
# way in, and memory that was freed and is not given back yet. Measured while messages of 15 MB came in without a pause.
UNCOUNTED_MIB = 512


class WarehouseSettings(FileSettings):
    """Limits of queries and the shape of loaded blocks, from `SEGOPS_WAREHOUSE_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_WAREHOUSE_")

    # With less than a gibibyte the largest blocks (16 MiB and a message of 24 MB) would find no room beside a merge.
    memory_mib: int = Field(
        default=2048, ge=1024, description="MiB of memory that the warehouse process takes, with the embedded engine."
    )

    # Definitions run one at a time: two at once only take twice as long on the same cores.
    definition_seconds: int = Field(
        default=60, ge=1, description="Seconds that the evaluation of a definition may take; then it fails."
    )
    definition_threads: int = Field(
        default=1,
        ge=1,
        description="Definitions that one warehouse process has evaluated at the same time; more than 1 pays with "
        "ClickHouse servers only.",
    )
    lookup_threads: int = Field(default=4, ge=1, description="Short questions that are answered at the same time.")
    lookup_seconds: int = Field(default=10, ge=1, description="Seconds that a short question may take; then it fails.")

    linger_seconds: float = Field(
        default=0.2,
        gt=0,
        le=5,
        description="Seconds after its first event at which a block is inserted though it is not full. Few make events "
        "visible sooner, many make larger blocks, which cost less for each event.",
    )
    block_rows: int = Field(default=50_000, ge=1, description="Events at which a block is full.")
    block_mib: int = Field(default=16, ge=1, description="MiB at which a block is full.")
    retention_days: int | None = Field(
        default=None,
        ge=1,
        description="Days after which events are removed from the warehouse, by when they occurred, and all that "
        "follows from them; older ones are not loaded. Kept for ever when empty.",
    )

    cluster: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Name of the ClickHouse cluster, as in the servers' `remote_servers`, over whose shards rows are "
        "spread by user; empty for one server or the embedded engine. Never changed once there are events.",
    )
    peer_address: str = Field(
        default="",
        description="Where other warehouse processes on the same ClickHouse reach this one, as `host:port`: those that "
        "do not load pass some calls on to the one that does. When empty, the address of this host.",
    )
    insert_quorum: str = Field(
        default="auto",
        pattern=r"^(auto|[1-9])$",
        description="On a cluster: replicas of a shard that have an event before it counts as loaded; `auto` for the "
        "majority, so that none is lost with a server.",
    )

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
