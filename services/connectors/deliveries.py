"""What webhooks are told of a compute, and how it is signed."""

import hashlib
import hmac
import json
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.connectors import delivery_store
from services.kit.wire import rfc3339

EVENT = "segment.recomputed"


async def create_deliveries(connection: AsyncConnection, run_id: int) -> None:
    """A delivery of a compute to every active webhook of its tenant, but to those that have one already.

    None when the segment was deleted meanwhile.
    """
    run = await delivery_store.find_run(connection, run_id)
    if run is not None:
        await delivery_store.add_deliveries(connection, run, body_of(run))


def body_of(run: Row[Any]) -> str:
    """What is sent, to the byte, in every attempt."""
    body = {
        "event": EVENT,
        "tenant_slug": run.tenant_slug,
        "segment_id": run.segment_id,
        "segment_name": run.segment_name,
        "member_count": run.member_count,
        "computed_at": rfc3339(run.computed_at),
    }
    return json.dumps(body, ensure_ascii=False)


def headers_of(delivery_id: object, body: bytes, secret: str | None) -> dict[str, str]:
    """The headers that go with a body; with a secret, one that signs it."""
    headers = {"Content-Type": "application/json", "X-SegOps-Delivery": str(delivery_id)}
    if secret:
        headers["X-SegOps-Signature"] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    return headers
