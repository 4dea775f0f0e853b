"""Receiving Shopify's webhooks: each is verified, and taken once."""

import hmac
import logging
import secrets
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingestion import shopify_store
from services.ingestion.intake import Intake, Sender
from services.ingestion.shopify_topics import CHECKOUT_ABANDONED, CHECKOUT_STARTED, TOPICS, Webhook, read_webhook
from services.kit.errors import Unauthenticated
from services.kit.postgres import Database
from services.kit.vault import Unreadable, Vault

log = logging.getLogger("shopify")

KEPT_DAYS = 30
# Shopify's have 36 characters.
MAX_WEBHOOK_ID = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A request as it arrived. Only the body is signed; headers that were not sent are empty."""

    body: bytes
    signature: str
    topic: str
    webhook_id: str
    triggered_at: str


class ShopifyReceiver:
    """Takes the webhooks of all tenants' shops."""

    def __init__(self, database: Database, vault: Vault, intake: Intake) -> None:
        self._database = database
        self._vault = vault
        self._intake = intake
        # For tenants without a secret, so that their answer takes as long.
        self._nobodys = vault.seal(secrets.token_hex())

    async def receive(self, tenant_slug: str, delivery: Delivery) -> bool:
        """Whether an event was taken from a webhook; it is on disk then.

        Raises Unauthenticated, Invalid for a body that is no JSON object, QuotaExceeded and Unavailable.
        """
        tenant_id = await self._verify(tenant_slug, delivery)
        topic = TOPICS.get(delivery.topic)
        if topic is None:
            return False
        webhook = read_webhook(topic, delivery.body, delivery.triggered_at)
        content_hash = sha256(topic.event_type.encode() + b"\n" + delivery.body)
        async with self._database.tenant(tenant_id) as connection:
            # A copy that comes meanwhile waits here, and is taken should this one fail. Should the process die between
            # the log and the end of the transaction, the message_id tells that the event is there.
            is_new = await shopify_store.add_delivery(
                connection,
                tenant_id,
                content_hash=content_hash.digest(),
                webhook_id=delivery.webhook_id[:MAX_WEBHOOK_ID] or None,
            )
            if not is_new:
                return False
            user_id = await _user_id(connection, webhook)
            event = webhook.event(user_id, f"shopify:{content_hash.hexdigest()}")
            taken = await self._intake.track_texts(Sender(tenant_id=tenant_id), [event])
            if webhook.event_type == CHECKOUT_STARTED and webhook.references and not taken.refused:
                await shopify_store.note_checkout(connection, tenant_id, webhook.references, user_id)
        return taken.queued > 0

    async def forget(self) -> None:
        """Deletes what is older than 30 days."""
        async with self._database.system() as connection:
            await shopify_store.forget(connection, KEPT_DAYS)

    async def _verify(self, tenant_slug: str, delivery: Delivery) -> int:
        """The tenant. Raises Unauthenticated, alike for a wrong signature, no secret and no such tenant."""
        async with self._database.system() as connection:
            found = await shopify_store.find_integration(connection, tenant_slug)
        try:
            secret = self._vault.unseal(found.webhook_secret if found else self._nobodys)
        except Unreadable:
            log.error("a shop's secret is under no known key; its owner has to send it again")
            raise Unauthenticated from None
        expected = b64encode(hmac.digest(secret.encode(), delivery.body, "sha256"))
        if not hmac.compare_digest(expected, delivery.signature.encode()) or found is None:
            raise Unauthenticated
        return int(found.tenant_id)


async def _user_id(connection: AsyncConnection, webhook: Webhook) -> str:
    """Whose the event is, by the webhook or an earlier one of the same checkout; empty when nobody knows."""
    if webhook.event_type == CHECKOUT_ABANDONED and not webhook.user_id:
        owners = await shopify_store.checkout_owners(connection, webhook.references)
        return next((owners[reference] for reference in webhook.references if reference in owners), "")
    return webhook.user_id
