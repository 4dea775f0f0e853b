"""Any receiver of the owner's: each chunk is POSTed to its URL as JSON, 1,000 users at most.

    {"segment_id": 7, "segment_name": "Buyers", "entered": ["ann"], "exited": ["bob"]}

With a secret, `X-SegOps-Signature: sha256=<hex HMAC-SHA256 of the raw body>`, whose key is the secret in UTF-8.
`X-SegOps-Delivery` is the chunk's id, the same whenever the chunk comes again, so that a receiver can drop what it has.
Any 2xx within 10 seconds takes the whole chunk. The first sync sends all members as entered. Chunks of one sync, which
hold different users, may arrive in any order; those of the next sync come after them.
"""

from collections.abc import Sequence

import msgspec
from pydantic import Field, SecretStr

from services.connectors.deliveries import headers_of
from services.connectors.destinations.calling import Vendor
from services.connectors.destinations.fields import Url
from services.connectors.destinations.interface import Audience, Chunk, Config, DestinationType, Means, Skipped

MOST_USERS = 1_000
PARALLEL = 4
TIMEOUT_SECONDS = 10.0


class WebhookConfig(Config):
    """Where chunks are POSTed, and what they are signed with."""

    url: Url
    secret: SecretStr | None = Field(default=None, max_length=256)


class Webhook:
    """POSTs chunks."""

    chunk_users = MOST_USERS
    parallel = PARALLEL

    def __init__(self, vendor: Vendor, audience: Audience, secret: str | None) -> None:
        self._vendor = vendor
        self._audience = audience
        self._secret = secret

    async def send(self, chunk: Chunk) -> Sequence[Skipped]:
        body = msgspec.json.encode(
            {
                "segment_id": self._audience.segment_id,
                "segment_name": self._audience.segment_name,
                "entered": chunk.entered,
                "exited": chunk.exited,
            }
        )
        await self._vendor.call("POST", "", content=body, headers=headers_of(chunk.id, body, self._secret))
        return ()

    async def finish(self) -> None:
        """Nothing is left to do."""


def _place(config: WebhookConfig, audience: Audience) -> str:
    # The receiver keeps segments apart.
    return f"{config.url} {audience.segment_id}"


def _open(config: WebhookConfig, audience: Audience, means: Means) -> Webhook:
    vendor = Vendor(
        name="The webhook",
        url=config.url,
        outbound=means.outbound,
        headers={},
        timeout_seconds=TIMEOUT_SECONDS,
    )
    return Webhook(vendor, audience, config.secret.get_secret_value() if config.secret else None)


WEBHOOK = DestinationType(name="webhook", config=WebhookConfig, place=_place, open=_open)
