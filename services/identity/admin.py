"""AdminService: what segopsctl asks."""

from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gen.segops.identity.v1 import admin_pb2 as pb
from services.gen.segops.identity.v1 import admin_pb2_grpc
from services.identity import store, team_store
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
from services.identity.signing_keys import SigningKeys
from services.identity.team import IsOwner
from services.kit.context import Context
from services.kit.errors import Invalid, NotFound
from services.kit.plans import PLANS, api_calls_per_minute
from services.kit.postgres import Database
from services.kit.wire import nullable, whole_seconds


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """Tenants, people and keys for operators."""

    def __init__(self, database: Database, keys: ApiKeys, signing_keys: SigningKeys, default_plan: str) -> None:
        self._database = database
        self._keys = keys
        self._signing_keys = signing_keys
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
        own = request.api_calls_per_minute if request.HasField("api_calls_per_minute") else None
        raise_wrong(plan=check_choice(request.plan, PLANS), api_calls_per_minute=_check_own_limit(request.plan, own))
        async with self._database.system() as connection:
            row = await store.set_plan(connection, slug=request.slug, plan=request.plan, api_calls_per_minute=own)
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
            await _give_role(connection, tenant.id, user_id, request.role)
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

    async def RotateSigningKey(self, request: pb.RotateSigningKeyRequest, context: Context) -> pb.SigningKeyRecord:
        row = await self._signing_keys.rotate(now=request.now)
        return pb.SigningKeyRecord(key_id=row.id, signs_from=whole_seconds(row.signs_from))

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


async def _give_role(connection: AsyncConnection, tenant_id: int, user_id: int, role: str) -> None:
    """Adds a person to a tenant, or changes the role there. Raises IsOwner."""
    for give in (team_store.add_member, team_store.set_role):
        if await give(connection, tenant_id=tenant_id, user_id=user_id, role=role):
            return
    raise IsOwner


def _check_own_limit(plan: str, own: int | None) -> str | None:
    if own is None:
        return None
    if plan in PLANS and PLANS[plan].api_calls_per_minute is not None:
        return f"The plan '{plan}' says it already."
    return None if own >= 1 else "Use 1 or more."


def _tenant(row: Row[Any]) -> pb.TenantRecord:
    return pb.TenantRecord(
        id=row.id,
        slug=row.slug,
        name=row.name,
        plan=row.plan,
        created_at=whole_seconds(row.created_at),
        api_calls_per_minute=nullable(api_calls_per_minute(row.plan, row.api_calls_per_minute)),
    )
