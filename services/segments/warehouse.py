"""What segments asks of the warehouse service."""

from collections.abc import AsyncGenerator
from datetime import datetime

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.gen.segops.warehouse.v1 import warehouse_pb2_grpc
from services.kit.acting import Actor
from services.kit.caller import current_request
from services.kit.channel import call, connect, stream
from services.kit.settings import Settings
from services.kit.wire import timestamp
from services.segments.preview import Preview
from services.segments.values import encoded

# Computes wait for each other in the warehouse; each may take a minute there.
STREAM_SECONDS = 600.0


class Warehouse:
    """The warehouse, asked for the current caller or in a tenant's name."""

    def __init__(self, settings: Settings, actor: Actor) -> None:
        self._channel = connect(settings, "warehouse")
        self._stub = warehouse_pb2_grpc.WarehouseServiceStub(self._channel)
        self._actor = actor

    async def preview(self, definition: object, limit: int) -> Preview:
        """Whom a definition matches now among the users of the caller's tenant, with up to `limit` ids."""
        request = pb.PreviewDefinitionRequest(definition=encoded(definition), sample_limit=limit)
        found = await call(self._stub.PreviewDefinition, request)
        return Preview(matched_users=found.matched_users, sample_user_ids=found.sample_user_ids, sql=found.sql)

    async def stream(self, tenant_id: int, definition: object, now: datetime) -> AsyncGenerator[bytes]:
        """The users of a tenant that match at `now`, in byte order, one a line in COPY's text format."""
        request = pb.StreamMatchesRequest(definition=encoded(definition), now=timestamp(now))
        async with self._actor.acting_for(tenant_id, request_id=current_request().id):
            async for chunk in stream(self._stub.StreamMatches, request, seconds=STREAM_SECONDS):
                yield chunk.copy_text

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()
