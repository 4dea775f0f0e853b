"""Shards in the place of a cluster's: chDB's own Distributed tables over a cluster of which all shards are here.

The rows of all shards lie in one table. A shard sees its own: those whose sharding key leads to it, by a filter that
asks for the number of the shard that is reading. What several servers would do, each in turn does here:

- a statement ON CLUSTER is carried out once, and Replicated tables are plain ones, as replicas are not tried;
- rows for a Distributed table go to each shard for itself, under the token of the insert and the shard.
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.standins.clickhouse.engine import Engine, Refused, quoted
from tests.standins.clickhouse.requests import Insert, Request

ON_CLUSTER = re.compile(r" ON CLUSTER '\w+'")
REPLICATED = re.compile(r"Replicated(\w*MergeTree)\('[^']*', '\{replica\}'(?:, )?")
TOKENS = re.compile(r"\breplicated_deduplication_window = (\d+), replicated_deduplication_window_seconds = \d+")
DISTRIBUTED = re.compile(r"Distributed\('\w+', currentDatabase\(\), '(?P<table>\w+)', (?P<key>.+?)\)$", re.MULTILINE)
# Accounts of a block are made by each shard for itself, with the same key.
ORIGIN = "origin String DEFAULT getSetting('log_comment')"
NETWORK_ERROR = "Code: 210. DB::NetException: Connection refused. (NETWORK_ERROR)"


class Cluster(Engine):
    """A server of a cluster."""

    def __init__(self, directory: Path, database: str, name: str, shards: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "config.xml"
        config.write_text(_config(name, shards))
        self._shards = shards
        # Sharding keys by table, which outlive the process as the tables do.
        self._known = directory / "keys.json"
        self._keys: dict[str, str] = json.loads(self._known.read_text()) if self._known.exists() else {}
        # The shard that the next insert does not reach, 0 for none.
        self.unreachable = 0
        super().__init__(directory, database, f"?config-file={config}")

    def prepare(self, connection: Any) -> None:
        filters = {
            table: f"shardNum() = 0 OR {key} % {self._shards} = shardNum() - 1" for table, key in self._keys.items()
        }
        # All shards are in this process, which has no port for others.
        self.command(connection, "SET prefer_localhost_replica = 1")
        listed = ", ".join(f"{quoted(table)}: {quoted(test)}" for table, test in filters.items())
        self.command(connection, f"SET additional_table_filters = {quoted('{' + listed + '}')}")

    def statement(self, connection: Any, sql: str) -> str:
        if found := DISTRIBUTED.search(sql):
            self._keys[found["table"]] = found["key"]
            self._known.write_text(json.dumps(self._keys))
        if "EXISTS intake_shard" in sql:
            sql = sql.replace("events UInt32", f"events UInt32, {ORIGIN}").replace("batch_id)", "batch_id, origin)")
        plain = TOKENS.sub(r"non_replicated_deduplication_window = \1", ON_CLUSTER.sub("", sql))
        return REPLICATED.sub(r"\1(", plain)

    def insert(self, connection: Any, request: Request, insert: Insert) -> None:
        stored = f"{insert.table}_shard"
        if stored not in self._keys:
            super().insert(connection, request, insert)
            return
        columns = self._columns(connection, insert)
        names = ", ".join(columns)
        token = request.settings.get("insert_deduplication_token", "")
        with self.file(insert.rows) as path:
            structure = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            rows = f"file({quoted(path)}, {quoted(insert.format)}, {quoted(structure)})"
            for shard in range(self._shards):
                if self.unreachable == shard + 1:
                    self.unreachable = 0
                    raise Refused(NETWORK_ERROR)
                self.command(connection, f"SET insert_deduplication_token = {quoted(token and f'{token}@{shard}')}")
                self.command(connection, f"SET log_comment = '{shard}'")
                mine = f"{self._keys[stored]} % {self._shards} = {shard}"
                self.command(connection, f"INSERT INTO {stored} ({names}) SELECT {names} FROM {rows} WHERE {mine}")

    def _columns(self, connection: Any, insert: Insert) -> dict[str, str]:
        listed = [name.strip(" `") for name in insert.columns.strip("()").split(",") if name]
        query = (
            "SELECT name, type FROM system.columns "
            f"WHERE database = currentDatabase() AND table = {quoted(insert.table)} ORDER BY position"
        )
        text = self.command(connection, query).decode().replace("\\'", "'")
        types = dict(line.split("\t") for line in text.splitlines())
        return {name: types[name] for name in listed or types}


def _config(name: str, shards: int) -> str:
    replica = "<replica><host>127.0.0.1</host><port>9000</port></replica>"
    shard = f"<shard><internal_replication>true</internal_replication>{replica}</shard>"
    servers = f"<remote_servers><{name}>{shard * shards}</{name}></remote_servers>"
    return f"<clickhouse><tcp_port>9000</tcp_port>{servers}</clickhouse>"
