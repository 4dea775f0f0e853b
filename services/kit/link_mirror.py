"""The warehouse's mirror of the links between user ids, brought up to date by whoever asks about all users.

Reads the table of the profiles service.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gen.segops.warehouse.v1 import links_pb2 as pb
from services.gen.segops.warehouse.v1 import links_pb2_grpc
from services.kit.channel import call
from services.kit.lines import whole_lines
from services.kit.postgres import Database, driver_connection

CHUNK_BYTES = 4 * 1024 * 1024

_NEWEST = text("SELECT max(version) FROM user_links WHERE tenant_id = :tenant_id")
_COPY = """
    COPY (
      SELECT user_id, person_id, version FROM user_links
      WHERE tenant_id = %(tenant_id)s AND version > %(after)s ORDER BY version
    ) TO STDOUT"""


class LinkMirror:
    """The mirror, for the current caller's tenant.

    Links go there in the order of their versions, so that its highest tells what is missing, whoever else brings it up
    to date at the same time, and whatever was interrupted.
    """

    def __init__(self, warehouse: grpc.aio.Channel) -> None:
        self._stub = links_pb2_grpc.LinkMirrorServiceStub(warehouse)

    async def catch_up(self, database: Database, tenant_id: int) -> int:
        """The version of the tenant's newest link, up to which all are mirrored now; 0 when it never had one.

        Without links it costs a look into an index. Holds one chunk in memory. Raises Unavailable.
        """
        async with database.tenant(tenant_id) as connection:
            newest: int = await connection.scalar(_NEWEST, {"tenant_id": tenant_id}) or 0
        if newest and (mirrored := await self._position()) < newest:
            async with database.tenant(tenant_id) as connection:
                await self._append(_links(connection, tenant_id, mirrored))
        return newest

    async def _position(self) -> int:
        position: pb.LinkPosition = await call(self._stub.GetLinkPosition, pb.GetLinkPositionRequest())
        return position.version

    async def _append(self, links: AsyncGenerator[bytes]) -> None:
        async with aclosing(links), aclosing(whole_lines(links, CHUNK_BYTES)) as chunks:
            async for chunk in chunks:
                await call(self._stub.AppendLinks, pb.AppendLinksRequest(copy_text=chunk))


async def _links(connection: AsyncConnection, tenant_id: int, after: int) -> AsyncGenerator[bytes]:
    """A tenant's links from behind a version on, in the order of versions."""
    values = {"tenant_id": tenant_id, "after": after}
    async with driver_connection(connection).cursor() as cursor, cursor.copy(_COPY, values) as rows:
        async for row in rows:
            yield bytes(row)
