"""Where rows are: in one engine, or spread over the shards of a ClickHouse cluster by the hash of their user.

On a cluster each table is there twice. `events_shard` holds a shard's own rows, on each of its replicas; `events` is
Distributed over them, for whoever asks about or adds rows of any shard. All rows of a user id are in one shard.
"""

from dataclasses import dataclass
from textwrap import indent

SHARD = "_shard"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """`cluster`: its name in the servers' `remote_servers`; empty for one engine."""

    cluster: str = ""

    @property
    def on_cluster(self) -> str:
        """What follows the name in a statement that every server carries out."""
        return f" ON CLUSTER '{self.cluster}'" if self.cluster else ""

    def stored(self, table: str) -> str:
        """The table that holds rows itself: deletes and views name it."""
        return f"{table}{SHARD}" if self.cluster else table

    def system(self, table: str) -> str:
        """A system table, of all servers."""
        return f"clusterAllReplicas('{self.cluster}', system.{table})" if self.cluster else f"system.{table}"

    def of_each_shard(self, users: str) -> str:
        """What a SELECT of user ids over a shard's own tables yields on all of them; only its results travel."""
        return f"SELECT user_id\nFROM cluster('{self.cluster}', view(\n{indent(users, '  ')}\n))"


ONE_ENGINE = Layout()
