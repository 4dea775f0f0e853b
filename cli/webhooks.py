"""segopsctl webhooks: deliveries, redeliver."""

import asyncio
from typing import Annotated, Any

import typer

from cli.options import Json, Tenant
from cli.output import show
from cli.platform import admin
from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.gen.segops.connectors.v1 import connectors_pb2_grpc
from services.kit.acting import Actor
from services.kit.channel import call, connect
from services.kit.settings import Settings

COLUMNS = ["id", "segment_id", "status", "attempts", "response_status", "error", "created_at", "next_attempt_at"]

app = typer.Typer(no_args_is_help=True, help="Webhooks and what was delivered to them.")


@app.command()
def deliveries(
    webhook_id: Annotated[int, typer.Argument(help="Id of the webhook.")],
    tenant: Tenant,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 50,
    json: Json = False,
) -> None:
    """List the newest deliveries of a webhook."""
    page = _call(tenant, "ListDeliveries", pb.ListDeliveriesRequest(id=webhook_id, limit=limit))
    show(list(page.results), COLUMNS, as_json=json)


@app.command()
def redeliver(
    delivery_id: Annotated[str, typer.Argument(help="Id of the delivery, a UUID.")],
    tenant: Tenant,
    json: Json = False,
) -> None:
    """Send a delivery again under the same id, whatever became of it."""
    delivery = _call(tenant, "RedeliverWebhook", pb.RedeliverWebhookRequest(delivery_id=delivery_id))
    show([delivery], COLUMNS, as_json=json, single=True)


def _call(tenant: str, rpc: str, request: object) -> Any:
    """Calls the connectors service in a tenant's name."""

    async def run(tenant_id: int) -> Any:
        settings = Settings()
        async with connect(settings, "connectors") as channel, Actor(settings, "segopsctl").acting_for(tenant_id):
            return await call(getattr(connectors_pb2_grpc.ConnectorsServiceStub(channel), rpc), request)

    with admin() as platform:
        return asyncio.run(run(platform.tenant_id(tenant)))
