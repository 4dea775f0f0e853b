"""Connections to a ClickHouse server, or to the servers of a cluster, over HTTP."""

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from services.warehouse.settings import WarehouseSettings

CONNECT_SECONDS = 5
# More than any query may take that does not send anything meanwhile.
ANSWER_SECONDS = 900


def server_client(dsn: str, settings: dict[str, int | str]) -> Client:
    """A client of a server. Raises the driver's error, which never names the password."""
    return clickhouse_connect.get_client(
        dsn=dsn,
        # The driver goes by the port alone where this is not said.
        interface="https" if dsn.startswith("https:") else None,
        settings=settings,
        tz_mode="aware",
        connect_timeout=CONNECT_SECONDS,
        send_receive_timeout=ANSWER_SECONDS,
        # A session is refused as long as a query of it runs whose answer nobody waits for any more. And what follows
        # may go to another server, where a load balancer is before them.
        autogenerate_session_id=False,
        # Host and version stay in the log of the server.
        show_clickhouse_errors="scrub",
    )


def on_cluster(own: WarehouseSettings) -> dict[str, int | str]:
    """Settings of every query where rows are spread over shards."""
    return {
        # An insert returns when every shard has its rows.
        "distributed_foreground_insert": 1,
        # And when so many replicas of a shard have them that none is lost with one of them.
        "insert_quorum": own.insert_quorum,
        "insert_quorum_timeout": 60_000,
        # The same replica of a shard takes rows and is asked for them, as long as it is there: an answer has all that
        # was stored before the question.
        "load_balancing": "in_order",
        "prefer_localhost_replica": 0,
        # What a subquery finds on all shards is sent to each of them.
        "distributed_product_mode": "global",
        # A question about few users goes to their shards only.
        "optimize_skip_unused_shards": 1,
        # A shard that is away is an error, not an answer without its users.
        "skip_unavailable_shards": 0,
        # A delete is done when all replicas have done it. While one is away it fails, and is tried again.
        "mutations_sync": 2,
        "distributed_ddl_output_mode": "throw_only_active",
    }
