"""Calling the connectors service for a tenant."""

from collections.abc import Mapping
from typing import Any

import grpc

from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.gen.segops.connectors.v1 import connectors_pb2_grpc
from services.kit.caller import Caller, Request, mint, serving
from services.kit.channel import call
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.settings import Settings
from services.kit.wire import nullable


class Tenant:
    """A tenant and one of its people, who calls. A failing call raises the failure that was answered."""

    def __init__(self, settings: Settings, channel: grpc.aio.Channel, tenant_id: int, role: str = "owner") -> None:
        self.id = tenant_id
        self._stub = connectors_pb2_grpc.ConnectorsServiceStub(channel)
        caller = Caller(kind="person", tenant_id=tenant_id, user_id=7, role=role)
        self._token = mint(caller, private_key(settings, INTERNAL_KEY))

    async def call(self, rpc: str, request: object) -> Any:
        """Calls an RPC by its name."""
        with serving(Request(id=f"test-{rpc}", token=self._token)):
            return await call(getattr(self._stub, rpc), request)

    async def create(self, segment_id: int, connector_type: str, config: Mapping[str, object]) -> pb.Activation:
        """A new connector."""
        created: pb.Activation = await self.call(
            "CreateActivation",
            pb.CreateActivationRequest(segment=segment_id, connector_type=connector_type, config=nullable(config)),
        )
        return created

    async def update(self, activation_id: int, **fields: Any) -> pb.Activation:
        """Changes the given fields; a configuration is given as plain Python."""
        if "config" in fields:
            fields["config"] = nullable(fields["config"])
        changed: pb.Activation = await self.call(
            "UpdateActivation", pb.UpdateActivationRequest(id=activation_id, **fields)
        )
        return changed

    async def get(self, activation_id: int) -> pb.Activation:
        """One connector."""
        found: pb.Activation = await self.call("GetActivation", pb.GetActivationRequest(id=activation_id))
        return found

    async def list(self, **fields: Any) -> pb.ActivationPage:
        """A page of connectors."""
        page: pb.ActivationPage = await self.call("ListActivations", pb.ListActivationsRequest(**fields))
        return page

    async def delete(self, activation_id: int) -> None:
        """Deletes a connector."""
        await self.call("DeleteActivation", pb.DeleteActivationRequest(id=activation_id))

    async def sync(self, activation_id: int) -> str:
        """Asks for a sync and answers what the service said."""
        answer: pb.SyncActivationResponse = await self.call(
            "SyncActivation", pb.SyncActivationRequest(id=activation_id)
        )
        return answer.status

    async def logs(self, activation_id: int, **fields: Any) -> pb.LogPage:
        """A page of a connector's logs."""
        page: pb.LogPage = await self.call("ListLogs", pb.ListLogsRequest(id=activation_id, **fields))
        return page
