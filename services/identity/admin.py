"""AdminService: what segopsctl asks."""

from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gen.segops.identity.v1 import admin_pb2 as pb
from services.gen.segops.identity.v1 import admin_pb2_grpc
from services.identity import store
from services.identity.api_keys import ApiKeys
from services.identity.fields import (
    ROLES,
    check_choice,
    check_email,
    check_name,
    check_password,
    check_slug,
    raise_wrong,
)
from services.identity.passwords import hash_password
from services.kit.context import Context
from services.kit.errors import Invalid, NotFound
from services.kit.plans import PLANS
from services.kit.postgres import Database
from services.kit.wire import whole_seconds


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """Tenants, people and keys for operators."""

    def __init__(self, database: Database, keys: ApiKeys, default_plan: str) -> None:
        self._database = database
        self._keys = keys
        self._default_plan = default_plan

    async def CreateTenant(self, request: pb.CreateTenantRequest, context: Context) -> pb.TenantRecord:
        name, plan = request.name or request.slug, request.plan or self._default_plan
        raise_wrong(
            slug=check_slug(request.slug),
            name=check_name(name) if request.name else None,
            plan=check_choice(plan, PLANS),
        )
        async with store.unique_fields(tenant_slug="slug"), self._database.system() as connection:
            return _tenant(await store.add_tenant(connection, slug=request.slug, name=name, plan=plan))

    async def ListTenants(self, request: pb.ListTenantsRequest, context: Context) -> pb.ListTenantsResponse:
        async with self._database.system() as connection:
            return pb.ListTenantsResponse(tenants=[_tenant(row) for row in await store.all_tenants(connection)])

    async def SetPlan(self, request: pb.SetPlanRequest, context: Context) -> pb.TenantRecord:
        raise_wrong(plan=check_choice(request.plan, PLANS))
        async with self._database.system() as connection:
            row = await store.set_plan(connection, slug=request.slug, plan=request.plan)
        if row is None:
            raise NotFound(f"There is no tenant '{request.slug}'.")
        return _tenant(row)

    async def CreateUser(self, request: pb.CreateUserRequest, context: Context) -> pb.UserRecord:
        async with store.unique_fields(), self._database.system() as connection:
            tenant = await _tenant_or_invalid(connection, request.tenant_slug)
            user = await store.user_by_email(connection, request.email)
            raise_wrong(
                email=check_email(request.email),
                password=None if user else check_password(request.password),
                role=check_choice(request.role, ROLES),
            )
            user_id = (
                user.id
                if user
                else await store.add_user(
                    connection, email=request.email, password_hash=await hash_password(request.password)
                )
            )
            await store.put_member(connection, tenant_id=tenant.id, user_id=user_id, role=request.role)
        return pb.UserRecord(id=user_id, email=request.email, tenant_slug=tenant.slug, role=request.role)

    async def CreateKey(self, request: pb.CreateKeyRequest, context: Context) -> pb.KeyRecord:
        async with self._database.system() as connection:
            tenant = await _tenant_or_invalid(connection, request.tenant_slug)
        created = await self._keys.create(
            tenant_id=tenant.id,
            name=request.name,
            key_type=request.key_type,
            allowed_origins=request.allowed_origins,
            require_signed_user_id=request.require_signed_user_id,
            created_by=None,
        )
        return pb.KeyRecord(
            id=created.row.id,
            name=created.row.name,
            tenant_slug=tenant.slug,
            prefix=created.row.prefix,
            key=created.key,
            key_type=created.row.key_type,
            hmac_secret=created.hmac_secret or "",
        )

    async def RevokeKey(self, request: pb.RevokeKeyRequest, context: Context) -> pb.RevokeKeyResponse:
        async with self._database.system() as connection:
            if not await store.delete_key(connection, request.id):
                raise NotFound(f"There is no key {request.id}.")
        return pb.RevokeKeyResponse()


async def _tenant_or_invalid(connection: AsyncConnection, slug: str) -> Row[Any]:
    tenant = await store.tenant_by_slug(connection, slug)
    if tenant is None:
        raise Invalid({"tenant_slug": [f"There is no tenant '{slug[:40]}'."]})
    return tenant


def _tenant(row: Row[Any]) -> pb.TenantRecord:
    return pb.TenantRecord(
        id=row.id, slug=row.slug, name=row.name, plan=row.plan, created_at=whole_seconds(row.created_at)
    )
