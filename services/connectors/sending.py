"""One attempt to deliver to a webhook, and what becomes of the delivery."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func

from services.connectors.deliveries import headers_of
from services.connectors.destinations.calling import retry_after
from services.connectors.network import NoAnswer, NotAllowed
from services.connectors.outbound import Outbound
from services.connectors.sync_patience import Patience
from services.connectors.webhooks import INACTIVE
from services.kit.vault import Unreadable, Vault

log = logging.getLogger("webhooks")

NO_SECRET = "The stored secret cannot be read any more; set it again."
UNEXPECTED = "The delivery failed unexpectedly."


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """What became of an attempt; without an `error` it succeeded.

    `seconds`: how long the receiver asked to be left alone. `is_last`: another attempt is of no use.
    """

    response_status: int | None = None
    error: str | None = None
    seconds: float | None = None
    is_last: bool = False


class Sender:
    """Sends deliveries, each within `timeout_seconds`."""

    def __init__(self, outbound: Outbound, vault: Vault, *, timeout_seconds: float) -> None:
        self._outbound = outbound
        self._vault = vault
        self.timeout_seconds = timeout_seconds

    async def send(self, delivery: Row[Any]) -> Attempt:
        """Sends a delivery to its webhook once. Any 2xx is a success."""
        if not delivery.is_active:
            return Attempt(error=INACTIVE, is_last=True)
        body = delivery.body.encode()
        try:
            secret = self._vault.unseal(delivery.secret) if delivery.secret else None
            answer = await self._outbound.request(
                "POST",
                delivery.url,
                headers=headers_of(delivery.id, body, secret),
                content=body,
                timeout_seconds=self.timeout_seconds,
            )
        except Unreadable:
            return Attempt(error=NO_SECRET, is_last=True)
        except NotAllowed as error:
            return Attempt(error=str(error), is_last=True)
        except NoAnswer as error:
            return Attempt(error=str(error))
        except Exception:
            log.exception("a delivery failed unexpectedly", extra={"delivery_id": str(delivery.id)})
            return Attempt(error=UNEXPECTED)
        if answer.is_success:
            return Attempt(response_status=answer.status)
        return Attempt(
            response_status=answer.status,
            error=f"The receiver answered {answer.status}.",
            seconds=retry_after(answer.headers),
        )


def outcome(attempt: Attempt, delivery: Row[Any], patience: Patience, now: datetime) -> Mapping[str, object]:
    """What an attempt makes of a delivery: delivered, failed, or to be tried again."""
    columns: dict[str, object] = {
        "attempts": delivery.attempts + 1,
        "response_status": attempt.response_status,
        "error": attempt.error,
        "next_attempt_at": None,
    }
    if attempt.error is None:
        return {**columns, "status": "delivered", "delivered_at": func.now()}
    if attempt.is_last or patience.is_over(delivery.asked_at, now):
        return {**columns, "status": "failed"}
    return {**columns, "next_attempt_at": func.now() + patience.wait(delivery.asked_at, now, attempt.seconds)}
