"""A real embedded warehouse that takes histories and answers definitions."""

import json
from dataclasses import asdict
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from clickhouse_connect import get_client

from services.definition import Group
from services.warehouse import schema
from services.warehouse.compiler import compile_definition
from tests.integration.compiler.ledgers import Change
from tests.oracle.evaluate import Links
from tests.oracle.history import Event


class Warehouse:
    """The tables in a directory of its own; every history goes to a new tenant."""

    def __init__(self, directory: Path) -> None:
        self.client = get_client(dsn=f"chdb://{directory}", settings={"max_query_size": 1 << 24})
        self._tenants = count(1)
        schema.create(self.client)
        # Hundreds of small inserts; what survives a power cut is tested elsewhere.
        for table in ("events", "user_links"):
            self.client.command(f"ALTER TABLE {table} MODIFY SETTING fsync_after_insert = 0, fsync_part_directory = 0")

    def load(self, *histories: list[Event]) -> list[int]:
        """Store each history under a new tenant, spread over two inserts, and return the tenants."""
        tenants = [next(self._tenants) for _ in histories]
        rows = [self._row(tenant, event) for tenant, events in zip(tenants, histories, strict=True) for event in events]
        for part in (rows[::2], rows[1::2]):
            if part:
                self.client.raw_insert("events", insert_block="\n".join(part).encode(), fmt="JSONEachRow")
        return tenants

    def mirror(self, tenant_id: int, changes: list[Change]) -> None:
        """Store the ledgers of a tenant's segments."""
        rows = [
            json.dumps({**asdict(change), "tenant_id": tenant_id, "at": _milliseconds(change.at)}, ensure_ascii=False)
            for change in changes
        ]
        if rows:
            self.client.raw_insert("membership_changes", insert_block="\n".join(rows).encode(), fmt="JSONEachRow")

    def link(self, tenant_id: int, links: Links) -> None:
        """Store the links of a tenant, each behind an earlier one that does not count any more."""
        for version, person_of in ((1, dict.fromkeys(links, "earlier")), (2, links)):
            rows = [
                json.dumps({"tenant_id": tenant_id, "user_id": user_id, "person_id": person, "version": version})
                for user_id, person in person_of.items()
            ]
            if rows:
                self.client.raw_insert("user_links", insert_block="\n".join(rows).encode(), fmt="JSONEachRow")

    def users(self, group: Group, tenant_id: int, now: datetime, **keys: Any) -> list[str]:
        """The users of a tenant who match the definition, as the compiled SQL yields them."""
        sql = compile_definition(group, tenant_id=tenant_id, now=now, **keys).sql
        return [row[0] for row in self.client.query(sql).result_rows]

    @staticmethod
    def _row(tenant_id: int, event: Event) -> str:
        return json.dumps(
            {
                "tenant_id": tenant_id,
                "user_id": event.user_id,
                "event_type": event.event_type,
                "occurred_at": _milliseconds(event.occurred_at),
                "received_at": _milliseconds(event.received_at),
                "event_id": str(event.event_id),
                "payload": json.dumps(event.payload, separators=(",", ":"), ensure_ascii=False),
                "batch_id": 1,
            },
            ensure_ascii=False,
        )


def _milliseconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
