"""The ingestion service as segopsctl sends to it: in a tenant's name, under an identity from the identity service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cli.events.sending import Open
from services.gen.segops.ingestion.v1 import ingestion_pb2_grpc
from services.kit.acting import Actor
from services.kit.channel import connect, outgoing_metadata
from services.kit.settings import Settings


@asynccontextmanager
async def ingestion(settings: Settings, tenant_id: int) -> AsyncIterator[Open]:
    """A connection for the block: opens streams of batches, each ended with its own block."""
    actor = Actor(settings, "segopsctl")
    async with connect(settings, "ingestion") as channel:
        stub: Any = ingestion_pb2_grpc.IngestionServiceStub(channel)

        @asynccontextmanager
        async def open_stream() -> AsyncIterator[Any]:
            async with actor.acting_for(tenant_id):
                call = stub.TrackStream(metadata=outgoing_metadata())
            try:
                yield call
            finally:
                call.cancel()

        yield open_stream
