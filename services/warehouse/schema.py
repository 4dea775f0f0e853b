"""The tables of the warehouse. Every statement can be run again."""

from clickhouse_connect.driver.client import Client

# No partitions, so that a block is one part and is stored whole or not at all. The derived tables hold only what does
# not change when a block is inserted twice: no counters. Payloads stay text: the JSON type changes values and fails on
# thousands of different keys.
TABLES = (
    # Small granules and blocks: the events of one user are a few rows in a granule of each type and part.
    """
    CREATE TABLE IF NOT EXISTS events (
      tenant_id UInt32, user_id String, event_type LowCardinality(String),
      occurred_at DateTime64(3, 'UTC'), received_at DateTime64(3, 'UTC'), event_id UUID,
      payload String CODEC(ZSTD(1)), anonymous_id String, batch_id UInt64,
      INDEX ix_batch batch_id TYPE minmax GRANULARITY 1
    ) ENGINE = MergeTree ORDER BY (tenant_id, event_type, user_id, occurred_at)
    SETTINGS index_granularity = 1024, min_compress_block_size = 16384,
      non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
    """,
    # Merged early, so that few users are in it more than once: whoever counts them reads them all.
    """
    CREATE TABLE IF NOT EXISTS users (
      tenant_id UInt32, user_id String,
      first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
      last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
    ) ENGINE = AggregatingMergeTree ORDER BY (tenant_id, user_id)
    SETTINGS merge_selector_base = 2, non_replicated_deduplication_window = 10000
    """,
    # The newest version wins, by when the properties were set, then by when they were received.
    """
    CREATE TABLE IF NOT EXISTS user_props (
      tenant_id UInt32, user_id String, payload String CODEC(ZSTD(1)), ver UInt128
    ) ENGINE = ReplacingMergeTree(ver) ORDER BY (tenant_id, user_id)
    SETTINGS index_granularity = 1024, min_compress_block_size = 16384, non_replicated_deduplication_window = 10000
    """,
    # What became of the events of each block, by the hour of their receipt. What is written again replaces itself,
    # because the block is in the key. On disk at once: only the last block is accounted for again after a crash.
    """
    CREATE TABLE IF NOT EXISTS intake (
      tenant_id UInt32, hour DateTime('UTC'), event_type LowCardinality(String),
      outcome Enum8('stored' = 1, 'duplicate' = 2, 'skipped' = 3),
      batch_id UInt64 CODEC(Delta, ZSTD(1)), events UInt32
    ) ENGINE = ReplacingMergeTree ORDER BY (tenant_id, hour, event_type, outcome, batch_id)
    TTL hour + INTERVAL 400 DAY
    SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, merge_with_ttl_timeout = 604800
    """,
    # The mirror of the ledgers in PostgreSQL, for definitions that refer to segments: made when first needed,
    # and caught up in the ledger's order, so that its last row tells how far it is. A row that came twice does no harm.
    # On disk at once, for the same reason: rows that a power cut takes must be the last ones.
    """
    CREATE TABLE IF NOT EXISTS membership_changes (
      tenant_id UInt32, segment_id UInt32, run_id UInt64, user_id String, entered Bool, at DateTime64(3, 'UTC'),
      CONSTRAINT filled CHECK run_id > 0 AND user_id != ''
    ) ENGINE = MergeTree ORDER BY (tenant_id, segment_id, run_id, user_id)
    SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
    """,
    # The mirror of the links between user ids in PostgreSQL, caught up in the same way, in the order of versions: the
    # highest tells how far it is. The newest row of a user id is the one that counts.
    """
    CREATE TABLE IF NOT EXISTS user_links (
      tenant_id UInt32, user_id String, person_id String, version UInt64,
      CONSTRAINT filled CHECK version > 0 AND user_id != '' AND person_id != ''
    ) ENGINE = ReplacingMergeTree(version) ORDER BY (tenant_id, user_id)
    SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
    """,
    # Takes rows and stores nothing: tells whether rows can be read.
    """
    CREATE TABLE IF NOT EXISTS events_probe (
      tenant_id UInt32, user_id String, event_type LowCardinality(String),
      occurred_at DateTime64(3, 'UTC'), received_at DateTime64(3, 'UTC'), event_id UUID,
      payload String, anonymous_id String, batch_id UInt64
    ) ENGINE = Null
    """,
)

USERS_OF_EVENTS = """
    SELECT tenant_id, user_id, min(occurred_at) AS first_seen, max(occurred_at) AS last_seen
    FROM events {where} GROUP BY tenant_id, user_id
"""
PROPERTIES_OF_EVENTS = """
    SELECT tenant_id, user_id, payload,
      bitShiftLeft(toUInt128(toUInt64(toUnixTimestamp64Milli(occurred_at))), 64)
        + toUInt128(toUInt64(toUnixTimestamp64Milli(received_at))) AS ver
    FROM events {where}
"""
INTAKE_OF_EVENTS = """
    SELECT tenant_id, toStartOfHour(received_at) AS hour, event_type, 'stored' AS outcome, batch_id, count() AS events
    FROM events {where} GROUP BY tenant_id, hour, event_type, batch_id
"""

VIEWS = (
    f"CREATE MATERIALIZED VIEW IF NOT EXISTS users_mv TO users AS {USERS_OF_EVENTS.format(where='')}",
    "CREATE MATERIALIZED VIEW IF NOT EXISTS user_props_mv TO user_props AS "
    + PROPERTIES_OF_EVENTS.format(where="WHERE event_type = 'context_identified'"),
    f"CREATE MATERIALIZED VIEW IF NOT EXISTS intake_mv TO intake AS {INTAKE_OF_EVENTS.format(where='')}",
)


# Deletes of users name them; the engine would keep the last hundred.
FORGETTING = tuple(
    f"ALTER TABLE {table} MODIFY SETTING finished_mutations_to_keep = 1"
    for table in ("events", "users", "user_props", "membership_changes", "user_links")
)


def create(client: Client) -> None:
    """Makes every table and view that is not there yet."""
    for statement in (*TABLES, *VIEWS, *FORGETTING):
        client.command(statement)
