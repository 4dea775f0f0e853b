"""TenantService: unpack, call, pack."""

from typing import Any

from sqlalchemy import Row

from services.gen.segops.identity.v1 import tenants_pb2 as pb
from services.gen.segops.identity.v1 import tenants_pb2_grpc
from services.identity.tenants import Tenants
from services.kit.caller import current_caller
from services.kit.context import Context
from services.kit.wire import sent_fields, whole_seconds


class TenantServicer(tenants_pb2_grpc.TenantServiceServicer):
    """Tenants for their people."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    async def CreateTenant(self, request: pb.NewTenantRequest, context: Context) -> pb.TenantDetails:
        owner_id = current_caller().user_id or 0
        return _details(await self._tenants.create(owner_id=owner_id, name=request.name, slug=request.slug))

    async def GetCurrentTenant(self, request: pb.GetCurrentTenantRequest, context: Context) -> pb.TenantDetails:
        return _details(await self._tenants.find(current_caller().tenant))

    async def UpdateCurrentTenant(self, request: pb.UpdateCurrentTenantRequest, context: Context) -> pb.TenantDetails:
        return _details(await self._tenants.update(current_caller().tenant, sent_fields(request)))

    async def ChangePlan(self, request: pb.ChangePlanRequest, context: Context) -> pb.TenantDetails:
        return _details(await self._tenants.change_plan(current_caller().tenant, request.plan))

    async def TransferOwnership(self, request: pb.TransferOwnershipRequest, context: Context) -> pb.TenantDetails:
        caller = current_caller()
        return _details(
            await self._tenants.transfer(caller.tenant, owner_id=caller.user_id or 0, user_id=request.user_id)
        )


def _details(row: Row[Any]) -> pb.TenantDetails:
    return pb.TenantDetails(
        id=row.id,
        slug=row.slug,
        name=row.name,
        plan=row.plan,
        created_at=whole_seconds(row.created_at),
        settings=pb.TenantSettings(invitation_domains=row.invitation_domains),
    )
