"""IdentityService: unpack, call, pack."""

from typing import Any

from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import Row

from services.gen.segops.identity.v1 import identity_pb2 as pb
from services.gen.segops.identity.v1 import identity_pb2_grpc
from services.identity import store
from services.identity.accounts import Accounts, Tokens
from services.identity.api_keys import ApiKeys
from services.identity.sessions import Sessions, read_visitor
from services.identity.signing_keys import SigningKeys
from services.kit.caller import current_address, current_caller, current_request
from services.kit.context import Context
from services.kit.errors import Invalid, Unauthenticated
from services.kit.paging import page_of
from services.kit.postgres import Database
from services.kit.wire import nullable, nullable_time, sent_fields, whole_seconds


class IdentityServicer(identity_pb2_grpc.IdentityServiceServicer):
    """Accounts, tokens and keys for people, and sessions for their end users."""

    def __init__(
        self, accounts: Accounts, keys: ApiKeys, sessions: Sessions, signing_keys: SigningKeys, database: Database
    ) -> None:
        self._accounts = accounts
        self._keys = keys
        self._sessions = sessions
        self._signing_keys = signing_keys
        self._database = database

    async def Register(self, request: pb.RegisterRequest, context: Context) -> pb.RegisterResponse:
        user_id, tenant, tokens = await self._accounts.register(
            email=request.email,
            password=request.password,
            tenant_name=request.tenant_name,
            tenant_slug=request.tenant_slug,
            address=current_address(),
        )
        return pb.RegisterResponse(
            user=pb.User(id=user_id, email=request.email),
            tenant=_tenant(tenant),
            access=tokens.access,
            refresh=tokens.refresh,
        )

    async def CreateToken(self, request: pb.CreateTokenRequest, context: Context) -> pb.TokenPair:
        tokens = await self._accounts.sign_in(
            email=request.email,
            password=request.password,
            tenant_slug=request.tenant_slug,
            address=current_address(),
        )
        return _pair(tokens)

    async def RefreshToken(self, request: pb.RefreshTokenRequest, context: Context) -> pb.TokenPair:
        return _pair(await self._accounts.refresh(request.refresh))

    async def GetMe(self, request: pb.GetMeRequest, context: Context) -> pb.Me:
        caller = current_caller()
        async with self._database.system() as connection:
            user = await store.user_by_id(connection, caller.user_id or 0)
            tenants = await store.tenants_of(connection, caller.user_id or 0)
        current = next((row for row in tenants if row.id == caller.tenant), None)
        if user is None or current is None:
            raise Unauthenticated
        return pb.Me(
            user=pb.User(id=user.id, email=user.email),
            tenant=_tenant(current),
            role=current.role,
            tenants=[
                pb.TenantRole(id=row.id, slug=row.slug, name=row.name, plan=row.plan, role=row.role) for row in tenants
            ],
        )

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Context) -> pb.CreatedApiKey:
        caller = current_caller()
        async with self._database.system() as connection:
            tenant = await store.tenant_by_slug(connection, request.tenant_slug) if request.tenant_slug else None
        if request.tenant_slug and (tenant is None or tenant.id != caller.tenant):
            raise Invalid({"tenant_slug": ["This is not the tenant of your request."]})
        created = await self._keys.create(
            tenant_id=caller.tenant,
            name=request.name,
            key_type=request.key_type,
            allowed_origins=request.allowed_origins,
            require_signed_user_id=request.require_signed_user_id,
            created_by=caller.user_id,
        )
        return pb.CreatedApiKey(**_shown(created.row), key=created.key, hmac_secret=nullable(created.hmac_secret))

    async def OpenSession(self, request: pb.OpenSessionRequest, context: Context) -> pb.Session:
        origin = dict(current_request().metadata).get("origin", "")
        visitor = read_visitor(sent_fields(request))
        session = await self._sessions.open(current_caller(), origin=str(origin), visitor=visitor)
        return pb.Session(token=session.token, expires_at=whole_seconds(session.expires_at), uid=session.uid)

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Context) -> pb.ApiKeyPage:
        page = page_of(request)
        async with self._database.tenant(current_caller().tenant) as connection:
            count, rows = await store.list_keys(connection, limit=page.limit, offset=page.offset)
        return pb.ApiKeyPage(
            count=count,
            next=nullable(page.next_url(count)),
            previous=nullable(page.previous_url()),
            results=[pb.ApiKey(**_shown(row)) for row in rows],
        )

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Context) -> pb.RevokeApiKeyResponse:
        await self._keys.revoke(tenant_id=current_caller().tenant, key_id=request.id)
        return pb.RevokeApiKeyResponse()

    async def GetJwks(self, request: pb.GetJwksRequest, context: Context) -> HttpBody:
        # Whoever keeps them no longer than this has a new key before it signs.
        seconds = int(self._signing_keys.publication.total_seconds() / 2)
        await context.send_initial_metadata((("cache-control", f"public, max-age={seconds}"),))
        return HttpBody(content_type="application/json", data=await self._signing_keys.key_set())


def _shown(row: Row[Any]) -> dict[str, Any]:
    """What may be read of a key."""
    return {
        "id": row.id,
        "name": row.name,
        "key_type": row.key_type,
        "prefix": row.prefix,
        "created_at": whole_seconds(row.created_at),
        "last_used_at": nullable_time(row.last_used_at),
        "allowed_origins": row.allowed_origins,
        "require_signed_user_id": row.require_signed_user_id,
    }


def _pair(tokens: Tokens) -> pb.TokenPair:
    return pb.TokenPair(access=tokens.access, refresh=tokens.refresh)


def _tenant(row: Row[Any]) -> pb.Tenant:
    return pb.Tenant(id=row.id, slug=row.slug, name=row.name, plan=row.plan)
