"""Linking visitors to the users they turn out to be, for the services that learn it."""

import time
from collections.abc import Collection

from services.gen.segops.profiles.v1 import links_pb2 as pb
from services.gen.segops.profiles.v1 import links_pb2_grpc
from services.kit.channel import call, connect
from services.kit.settings import Settings

# The user id of a visitor is their anonymous id behind this, so that no anonymous id is a user's.
ANONYMOUS = "anon_"
# Longer than a link takes behind others of the same tenant; whoever waits for it keeps a page or a batch waiting.
LINK_SECONDS = 5.0
# About 20 MB.
MOST_REMEMBERED = 100_000
# No longer, because links end when a person is erased.
REMEMBERED_SECONDS = 60.0

# The user ids of a visitor and of the user.
Pair = tuple[str, str]


class VisitorLinks:
    """The profiles service, asked for the current caller to link visitors."""

    def __init__(self, settings: Settings) -> None:
        self._channel = connect(settings, "profiles")
        self._stub = links_pb2_grpc.LinksServiceStub(self._channel)
        # Visitors who have a link: the first one stays, so nobody has to ask again soon.
        self._linked: set[tuple[int, str]] = set()
        self._forget_at = 0.0

    async def link(self, tenant_id: int, pairs: Collection[Pair]) -> None:
        """Links each visitor who has no link yet to the user, all or none.

        Returns when it is done. Raises Unavailable when the profiles service is away.
        """
        if len(self._linked) >= MOST_REMEMBERED or time.monotonic() >= self._forget_at:
            self._linked, self._forget_at = set(), time.monotonic() + REMEMBERED_SECONDS
        links = [
            pb.VisitorLink(visitor_id=visitor_id, user_id=user_id)
            for visitor_id, user_id in pairs
            if visitor_id != user_id and (tenant_id, visitor_id) not in self._linked
        ]
        if links:
            await call(self._stub.LinkVisitors, pb.LinkVisitorsRequest(links=links), seconds=LINK_SECONDS)
            self._linked.update((tenant_id, link.visitor_id) for link in links)

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()
