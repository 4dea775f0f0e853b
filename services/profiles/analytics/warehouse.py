"""What is asked of the warehouse service, for the current caller."""

from datetime import datetime, timedelta

import grpc

from services.gen.segops.warehouse.v1 import totals_pb2, totals_pb2_grpc
from services.kit.channel import call
from services.kit.link_mirror import LinkMirror
from services.kit.postgres import Database
from services.kit.wire import timestamp
from services.profiles.analytics.overview import Events
from services.profiles.analytics.periods import WINDOW, midnight

# Of the times of events.
FINEST = timedelta(milliseconds=1)


class Warehouse:
    """Counts events and users. Raises Unavailable."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._totals = totals_pb2_grpc.TotalsServiceStub(channel)
        self._links = LinkMirror(channel)

    async def catch_up_links(self, database: Database, tenant_id: int) -> int:
        """Makes the links between user ids known there, up to the version that is returned."""
        return await self._links.catch_up(database, tenant_id)

    async def count_events(self, now: datetime, *, links: int) -> Events:
        """Events at an instant, and the persons they are of, by links up to that version."""
        # What occurred at midnight is today's.
        since = [timestamp(now - WINDOW), timestamp(midnight(now.date()) - FINEST)]
        request = totals_pb2.GetTotalsRequest(now=timestamp(now), since=since, links=links)
        totals = await call(self._totals.GetTotals, request)
        in_window, today = totals.windows
        return Events(all=totals.events, in_window=in_window, today=today, users=totals.users)

    async def count_stored(self, begin: datetime, end: datetime) -> int:
        """Events received from `begin` to before `end`, whole hours, that are stored."""
        request = totals_pb2.CountStoredRequest(to=timestamp(end), **{"from": timestamp(begin)})
        return int((await call(self._totals.CountStored, request)).events)
