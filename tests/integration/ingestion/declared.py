"""Plans, counts and schemas of tenants, as tests set and read them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.struct_pb2 import ListValue, Value

from services.gen.segops.ingestion.v1 import schemas_pb2 as pb
from services.gen.segops.ingestion.v1 import schemas_pb2_grpc
from services.kit.caller import Caller, Request, mint, serving
from services.kit.channel import call
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.settings import Settings
from services.kit.wire import nullable
from tests.integration.ingestion.conftest import Platform

TOTAL = {"name": "total", "type": "number", "required": True}


def this_month() -> date:
    return datetime.now(UTC).date().replace(day=1)


def set_plan(platform: Platform, tenant_id: int, plan: str) -> None:
    """Puts a tenant, which is made if need be, on a plan."""
    statement = """
        INSERT INTO tenants (id, slug, name, plan) OVERRIDING SYSTEM VALUE VALUES (%(id)s, %(slug)s, 'n', %(plan)s)
        ON CONFLICT (id) DO UPDATE SET plan = %(plan)s"""
    with platform.database() as connection:
        connection.execute(statement, {"id": tenant_id, "slug": f"tenant-{tenant_id}", "plan": plan})


def set_count(platform: Platform, tenant_id: int, events: int) -> None:
    """Sets how many events a tenant sent this month."""
    statement = """
        INSERT INTO event_counts (tenant_id, month, events) VALUES (%s, %s, %s)
        ON CONFLICT (tenant_id, month) DO UPDATE SET events = excluded.events"""
    with platform.database() as connection:
        connection.execute(statement, (tenant_id, this_month(), events))


def count_of(platform: Platform, tenant_id: int) -> int | None:
    """How many events a tenant sent this month, or has reserved; None when nothing was ever counted."""
    query = "SELECT events FROM event_counts WHERE tenant_id = %s AND month = %s"
    with platform.database() as connection:
        row: Any = connection.execute(query, (tenant_id, this_month())).fetchone()
    return int(row[0]) if row else None


def listed(*properties: Mapping[str, object]) -> Value:
    """Properties as they are sent."""
    return Value(list_value=ListValue(values=[nullable(one) for one in properties]))


class Registry:
    """A tenant's schemas through the service. A failing call raises the failure that was answered."""

    def __init__(self, settings: Settings, channel: grpc.aio.Channel, tenant_id: int, role: str = "owner") -> None:
        self._stub = schemas_pb2_grpc.SchemaServiceStub(channel)
        caller = Caller(kind="person", tenant_id=tenant_id, user_id=1, role=role)
        self._token = mint(caller, private_key(settings, INTERNAL_KEY))

    async def create(self, event_type: str, *properties: Mapping[str, object]) -> pb.Schema:
        request = pb.CreateSchemaRequest(event_type=nullable(event_type), properties=listed(*properties))
        created: pb.Schema = await self.call("CreateSchema", request)
        return created

    async def call(self, rpc: str, request: object) -> Any:
        """Calls an RPC by its name."""
        with serving(Request(id=f"test-{rpc}", token=self._token)):
            return await call(getattr(self._stub, rpc), request)

    async def send(self, rpc: str, body: str) -> Any:
        """Calls an RPC that takes a body."""
        return await self.call(rpc, HttpBody(content_type="application/json", data=body.encode()))
