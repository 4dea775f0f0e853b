"""The tables of a cluster, and definitions evaluated over them."""

from datetime import datetime
from itertools import count
from typing import Any

from services.definition import Group
from services.warehouse import schema
from services.warehouse.engine import EVERYWHERE
from services.warehouse.evaluation import Evaluation
from services.warehouse.layout import Layout
from services.warehouse.servers import on_cluster, server_client
from services.warehouse.settings import WarehouseSettings
from tests.integration.compiler.warehouse import Warehouse
from tests.standins.clickhouse.running import ClickHouse

LAYOUT = Layout(cluster="segops")


class Sharded(Warehouse):
    """The tables of a cluster of two shards."""

    def __init__(self, server: ClickHouse) -> None:
        own = WarehouseSettings(cluster=LAYOUT.cluster)
        self.client = server_client(server.url, EVERYWHERE | on_cluster(own))
        self._tenants = count(1)
        schema.create(self.client, LAYOUT)

    def users(self, group: Group, tenant_id: int, now: datetime, **keys: Any) -> list[str]:
        """The users who match, as the statement for a cluster yields them."""
        ranges = keys.pop("ranges", ())
        evaluation = Evaluation(tenant_id=tenant_id, group=group, now=now, layout=LAYOUT, **{"runs": {}, **keys})
        return [row[0] for row in self.client.query(evaluation.users(ranges)).result_rows]
