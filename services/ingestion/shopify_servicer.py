"""The RPCs of the Shopify integration."""

from services.gen.segops.ingestion.v1 import shopify_pb2 as pb
from services.gen.segops.ingestion.v1 import shopify_pb2_grpc
from services.ingestion.shopify import Delivery, ShopifyReceiver
from services.ingestion.shopify_integration import ShopifyIntegrations
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.wire import nullable, sent_fields


class ShopifyServicer(shopify_pb2_grpc.ShopifyServiceServicer):
    """Webhooks of shops, and the secrets that verify them."""

    def __init__(self, receiver: ShopifyReceiver, integrations: ShopifyIntegrations) -> None:
        self._receiver = receiver
        self._integrations = integrations

    async def ReceiveWebhook(self, request: pb.ReceiveWebhookRequest, context: Context) -> pb.ReceiveWebhookResponse:
        headers = dict(context.invocation_metadata() or ())
        delivery = Delivery(
            body=request.body.data,
            signature=str(headers.get("x-shopify-hmac-sha256", "")),
            topic=str(headers.get("x-shopify-topic", "")),
            webhook_id=str(headers.get("x-shopify-webhook-id", "")),
            triggered_at=str(headers.get("x-shopify-triggered-at", "")),
        )
        return pb.ReceiveWebhookResponse(queued=await self._receiver.receive(request.tenant_slug, delivery))

    async def GetShopify(self, request: pb.GetShopifyRequest, context: Context) -> pb.ShopifyIntegration:
        return pb.ShopifyIntegration(webhook_secret=nullable(await self._integrations.shown(current_caller().tenant)))

    async def PutShopify(self, request: pb.PutShopifyRequest, context: Context) -> pb.ShopifyIntegration:
        shown = await self._integrations.put(current_caller().tenant, sent_fields(request))
        return pb.ShopifyIntegration(webhook_secret=nullable(shown))
