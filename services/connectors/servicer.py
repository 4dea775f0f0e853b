"""ConnectorsService: unpack, call, pack."""

from services.connectors import listing
from services.connectors.editing import Activations
from services.connectors.packing import activation_message, log_message, verification_message
from services.connectors.verifying import Verifier
from services.connectors.webhook_packing import delivery_message, webhook_message
from services.connectors.webhooks import Webhooks
from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.gen.segops.connectors.v1 import connectors_pb2_grpc
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.paging import page_of
from services.kit.postgres import Database
from services.kit.wire import nullable, sent_fields


class ConnectorsServicer(connectors_pb2_grpc.ConnectorsServiceServicer):
    """Connectors and webhooks of the caller's tenant."""

    def __init__(self, database: Database, activations: Activations, verifier: Verifier, webhooks: Webhooks) -> None:
        self._database = database
        self._activations = activations
        self._verifier = verifier
        self._webhooks = webhooks

    async def ListActivations(self, request: pb.ListActivationsRequest, context: Context) -> pb.ActivationPage:
        page = page_of(request)
        count, rows = await listing.page_of_activations(self._database, current_caller().tenant, page)
        return pb.ActivationPage(
            count=count,
            next=nullable(page.next_url(count)),
            previous=nullable(page.previous_url()),
            results=[activation_message(row) for row in rows],
        )

    async def CreateActivation(self, request: pb.CreateActivationRequest, context: Context) -> pb.Activation:
        return activation_message(await self._activations.create(current_caller().tenant, sent_fields(request)))

    async def GetActivation(self, request: pb.GetActivationRequest, context: Context) -> pb.Activation:
        return activation_message(await listing.find(self._database, current_caller().tenant, request.id))

    async def UpdateActivation(self, request: pb.UpdateActivationRequest, context: Context) -> pb.Activation:
        row = await self._activations.change(current_caller().tenant, request.id, sent_fields(request))
        return activation_message(row)

    async def DeleteActivation(
        self, request: pb.DeleteActivationRequest, context: Context
    ) -> pb.DeleteActivationResponse:
        await self._activations.remove(current_caller().tenant, request.id)
        return pb.DeleteActivationResponse()

    async def SyncActivation(self, request: pb.SyncActivationRequest, context: Context) -> pb.SyncActivationResponse:
        await self._activations.request_sync(current_caller().tenant, request.id)
        return pb.SyncActivationResponse(status="queued")

    async def VerifyActivation(self, request: pb.VerifyActivationRequest, context: Context) -> pb.Verification:
        found = await self._verifier.verify(current_caller().tenant, request.id, repair=request.repair)
        return verification_message(found)

    async def ListLogs(self, request: pb.ListLogsRequest, context: Context) -> pb.LogPage:
        page = page_of(request)
        count, rows = await listing.page_of_logs(self._database, current_caller().tenant, request.id, page)
        return pb.LogPage(
            count=count,
            next=nullable(page.next_url(count)),
            previous=nullable(page.previous_url()),
            results=[log_message(row) for row in rows],
        )

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, context: Context) -> pb.WebhookPage:
        page = page_of(request)
        count, rows = await self._webhooks.page(current_caller().tenant, page)
        return pb.WebhookPage(
            count=count,
            next=nullable(page.next_url(count)),
            previous=nullable(page.previous_url()),
            results=[webhook_message(row) for row in rows],
        )

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, context: Context) -> pb.Webhook:
        return webhook_message(await self._webhooks.create(current_caller().tenant, sent_fields(request)))

    async def GetWebhook(self, request: pb.GetWebhookRequest, context: Context) -> pb.Webhook:
        return webhook_message(await self._webhooks.find(current_caller().tenant, request.id))

    async def ReplaceWebhook(self, request: pb.ReplaceWebhookRequest, context: Context) -> pb.Webhook:
        return webhook_message(await self._webhooks.replace(current_caller().tenant, request.id, sent_fields(request)))

    async def UpdateWebhook(self, request: pb.UpdateWebhookRequest, context: Context) -> pb.Webhook:
        return webhook_message(await self._webhooks.change(current_caller().tenant, request.id, sent_fields(request)))

    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, context: Context) -> pb.DeleteWebhookResponse:
        await self._webhooks.remove(current_caller().tenant, request.id)
        return pb.DeleteWebhookResponse()

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, context: Context) -> pb.DeliveryPage:
        page = page_of(request)
        count, rows = await self._webhooks.page_of_deliveries(current_caller().tenant, request.id, page)
        return pb.DeliveryPage(
            count=count,
            next=nullable(page.next_url(count)),
            previous=nullable(page.previous_url()),
            results=[delivery_message(row) for row in rows],
        )

    async def RedeliverWebhook(self, request: pb.RedeliverWebhookRequest, context: Context) -> pb.Delivery:
        return delivery_message(await self._webhooks.redeliver(current_caller().tenant, request.delivery_id))
