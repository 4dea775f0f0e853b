"""The tables of the warehouse, whatever they are laid out on, and what follows from events.

No partitions, so that a block is one part and is stored whole or not at all. The derived tables hold only what does not
change when a block is inserted twice: no counters. Payloads stay text: the JSON type changes values and fails on
thousands of different keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass

OF_USERS = "cityHash64(tenant_id, user_id)"
# On disk before the insert is acknowledged.
SYNCED = ("fsync_after_insert = 1", "fsync_part_directory = 1")
SMALL_GRANULES = ("index_granularity = 1024", "min_compress_block_size = 16384")


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """`columns` are the lines between the parentheses; `engine` and `arguments` those of the MergeTree family.

    `shard_by`: rows with the same value of it are on the same shard. `tokens`: it knows the tokens of its last blocks.
    `names_users`: deletes from it name users.
    """

    name: str
    columns: str
    engine: str = "MergeTree"
    arguments: str = ""
    order_by: str
    ttl: str = ""
    settings: Sequence[str] = ()
    shard_by: str = OF_USERS
    tokens: bool = False
    names_users: bool = True


TABLES = (
    # Small granules and blocks: the events of one user are a few rows in a granule of each type and part.
    Table(
        name="events",
        columns="""\
  tenant_id UInt32, user_id String, event_type LowCardinality(String),
  occurred_at DateTime64(3, 'UTC'), received_at DateTime64(3, 'UTC'), event_id UUID,
  payload String CODEC(ZSTD(1)), anonymous_id String, batch_id UInt64,
  INDEX ix_batch batch_id TYPE minmax GRANULARITY 1""",
        order_by="(tenant_id, event_type, user_id, occurred_at)",
        settings=(*SMALL_GRANULES, *SYNCED),
        tokens=True,
    ),
    # Merged early, so that few users are in it more than once: whoever counts them reads them all.
    Table(
        name="users",
        columns="""\
  tenant_id UInt32, user_id String,
  first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
  last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC'))""",
        engine="AggregatingMergeTree",
        order_by="(tenant_id, user_id)",
        settings=("merge_selector_base = 2",),
        tokens=True,
    ),
    # The newest version wins, by when the properties were set, then by when they were received.
    Table(
        name="user_props",
        columns="  tenant_id UInt32, user_id String, payload String CODEC(ZSTD(1)), ver UInt128",
        engine="ReplacingMergeTree",
        arguments="ver",
        order_by="(tenant_id, user_id)",
        settings=SMALL_GRANULES,
        tokens=True,
    ),
    # What became of the events of each block, by the hour of their receipt. What is written again replaces itself,
    # because the block is in the key. On disk at once: only the last block is accounted for again after a crash.
    Table(
        name="intake",
        columns="""\
  tenant_id UInt32, hour DateTime('UTC'), event_type LowCardinality(String),
  outcome Enum8('stored' = 1, 'duplicate' = 2, 'skipped' = 3),
  batch_id UInt64 CODEC(Delta, ZSTD(1)), events UInt32""",
        engine="ReplacingMergeTree",
        order_by="(tenant_id, hour, event_type, outcome, batch_id)",
        ttl="hour + INTERVAL 400 DAY",
        settings=(*SYNCED, "merge_with_ttl_timeout = 604800"),
        # Of what is written by hand. What views write stays on the shard of the events.
        shard_by="cityHash64(batch_id)",
        names_users=False,
    ),
    # The mirror of the ledgers in PostgreSQL, for definitions that refer to segments: made when first needed,
    # and caught up in the ledger's order, so that its last row tells how far it is. A row that came twice does no harm.
    # On disk at once, for the same reason: rows that a power cut takes must be the last ones.
    Table(
        name="membership_changes",
        columns="""\
  tenant_id UInt32, segment_id UInt32, run_id UInt64, user_id String, entered Bool, at DateTime64(3, 'UTC'),
  CONSTRAINT filled CHECK run_id > 0 AND user_id != ''""",
        order_by="(tenant_id, segment_id, run_id, user_id)",
        settings=SYNCED,
    ),
    # The mirror of the links between user ids in PostgreSQL, caught up in the same way, in the order of versions: the
    # highest tells how far it is. The newest row of a user id is the one that counts.
    Table(
        name="user_links",
        columns="""\
  tenant_id UInt32, user_id String, person_id String, version UInt64,
  CONSTRAINT filled CHECK version > 0 AND user_id != '' AND person_id != ''""",
        engine="ReplacingMergeTree",
        arguments="version",
        order_by="(tenant_id, user_id)",
        settings=SYNCED,
    ),
)

# On a cluster one shard may take its rows of a chunk of a mirror and another not: what is written here, behind a chunk,
# tells how far the mirror is. Of links the segment is 0, and the run their version.
MIRRORED = Table(
    name="mirrored",
    columns="  tenant_id UInt32, segment_id UInt32, run_id UInt64, user_id String",
    engine="ReplacingMergeTree",
    order_by="(tenant_id, segment_id, run_id, user_id)",
    settings=SYNCED,
    shard_by="cityHash64(tenant_id, segment_id)",
)

# Takes rows and stores nothing: tells whether rows can be read.
PROBE = """\
  tenant_id UInt32, user_id String, event_type LowCardinality(String),
  occurred_at DateTime64(3, 'UTC'), received_at DateTime64(3, 'UTC'), event_id UUID,
  payload String, anonymous_id String, batch_id UInt64"""

USERS_OF_EVENTS = """
    SELECT tenant_id, user_id, min(occurred_at) AS first_seen, max(occurred_at) AS last_seen
    FROM {events} {where} GROUP BY tenant_id, user_id
"""
PROPERTIES_OF_EVENTS = """
    SELECT tenant_id, user_id, payload,
      bitShiftLeft(toUInt128(toUInt64(toUnixTimestamp64Milli(occurred_at))), 64)
        + toUInt128(toUInt64(toUnixTimestamp64Milli(received_at))) AS ver
    FROM {events} {where}
"""
INTAKE_OF_EVENTS = """
    SELECT tenant_id, toStartOfHour(received_at) AS hour, event_type, 'stored' AS outcome, batch_id, count() AS events
    FROM {events} {where} GROUP BY tenant_id, hour, event_type, batch_id
"""
IDENTIFIED = "event_type = 'context_identified'"
# What is written when events are: each table, and the rows of it.
DERIVED = (
    ("users", USERS_OF_EVENTS, ""),
    ("user_props", PROPERTIES_OF_EVENTS, IDENTIFIED),
    ("intake", INTAKE_OF_EVENTS, ""),
)
