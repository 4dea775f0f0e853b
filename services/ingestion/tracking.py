"""Taking calls of Segment's tracking API."""

from collections.abc import Collection, Sequence
from typing import Protocol

from services.ingestion import bodies
from services.ingestion.batches import Refused, texts_in
from services.ingestion.intake import Intake, Sender, Taken
from services.ingestion.tracking_calls import KINDS, as_sent, read_call
from services.ingestion.tracking_links import link_in
from services.kit.errors import Invalid
from services.kit.visitor_links import Pair


class Links(Protocol):
    """Where visitors are linked to users."""

    async def link(self, tenant_id: int, pairs: Collection[Pair]) -> None:
        """Links each visitor who has no link yet to the user, all or none. Raises Unavailable."""


class Tracking:
    """Takes calls, by themselves and in batches. Who is said to be whom is linked before."""

    def __init__(self, intake: Intake, links: Links) -> None:
        self._intake = intake
        self._links = links

    async def call(self, sender: Sender, kind_name: str, body: bytes) -> Taken:
        """Takes the one call in a JSON body. Raises Invalid with every wrong field, QuotaExceeded and Unavailable."""
        call = bodies.compact(body)
        if not call.startswith(b"{"):
            raise Invalid(detail="The body must be a JSON object.")
        taken = await self._take(sender, [call], kind_name)
        if taken.refused:
            raise as_sent(taken.refused[0].error, KINDS[kind_name])
        return taken

    async def batch(self, sender: Sender, body: bytes) -> Taken:
        """Takes the valid ones of the calls in a JSON body.

        Raises Invalid when the body is no batch, QuotaExceeded and Unavailable.
        """
        return await self._take(sender, texts_in(bodies.compact(body), "batch", "calls"))

    async def _take(self, sender: Sender, calls: Sequence[bytes], kind_name: str = "") -> Taken:
        now = self._intake.clock()
        erased = await self._intake.rules.erased(sender.tenant_id)
        texts, unreadable, pairs = [], [], []
        for place, call in enumerate(calls):
            read = read_call(call, kind_name, place, now)
            if isinstance(read, Refused):
                unreadable.append(read)
                continue
            texts.append(read)
            if (pair := link_in(call, kind_name, read, now)) and not erased.is_late(pair, read, now):
                pairs.append(pair)
        if pairs:
            await self._links.link(sender.tenant_id, pairs)
        return await self._intake.track_texts(sender, texts, unreadable)
