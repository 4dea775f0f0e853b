"""CredentialService: what the edge and the other processes ask."""

from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gen.segops.identity.v1 import credentials_pb2 as pb
from services.gen.segops.identity.v1 import credentials_pb2_grpc
from services.identity import store
from services.identity.signing_keys import SigningKeys
from services.kit.caller import IDENTITY_SECONDS, Caller, mint
from services.kit.context import Context
from services.kit.errors import NotFound
from services.kit.plans import api_calls_per_minute
from services.kit.postgres import Database


class CredentialServicer(credentials_pb2_grpc.CredentialServiceServicer):
    """Resolves credentials and issues identities."""

    def __init__(self, database: Database, signing_keys: SigningKeys, identity_key: Ed25519PrivateKey) -> None:
        self._database = database
        self._signing_keys = signing_keys
        self._identity_key = identity_key

    async def ResolveApiKey(self, request: pb.ResolveApiKeyRequest, context: Context) -> pb.ResolvedApiKey:
        async with self._database.system() as connection:
            await self._check_signing_key(connection, request.signing_key_id)
            if request.WhichOneof("key") == "key_id":
                row = await store.key_by_id(connection, request.key_id)
            else:
                row = await store.key_by_hash(connection, request.key_hash)
        if row is None:
            raise NotFound
        return pb.ResolvedApiKey(
            key_id=row.id, tenant_id=row.tenant_id, key_type=row.key_type, api_calls_per_minute=_limit(row)
        )

    async def ResolveMember(self, request: pb.ResolveMemberRequest, context: Context) -> pb.ResolvedMember:
        async with self._database.system() as connection:
            await self._check_signing_key(connection, request.signing_key_id)
            tenants = await store.tenants_of(connection, request.user_id)
        row = next((row for row in tenants if _is_asked_for(row, request)), None)
        if row is None:
            raise NotFound
        return pb.ResolvedMember(
            user_id=request.user_id, tenant_id=row.id, role=row.role, api_calls_per_minute=_limit(row)
        )

    async def RecordKeyUse(self, request: pb.RecordKeyUseRequest, context: Context) -> pb.RecordKeyUseResponse:
        async with self._database.system() as connection:
            await store.record_key_use(
                connection, [(use.key_id, datetime.fromtimestamp(use.used_at, UTC)) for use in request.uses]
            )
        return pb.RecordKeyUseResponse()

    async def IssueIdentity(self, request: pb.IssueIdentityRequest, context: Context) -> pb.IssuedIdentity:
        caller = Caller(kind="service", tenant_id=request.tenant_id, service=request.service)
        return pb.IssuedIdentity(token=mint(caller, self._identity_key), expires_in=IDENTITY_SECONDS)

    async def _check_signing_key(self, connection: AsyncConnection, key_id: str) -> None:
        if key_id:
            await self._signing_keys.require(connection, key_id)


def _limit(row: Row[Any]) -> int:
    return api_calls_per_minute(row.plan, row.api_calls_per_minute) or 0


def _is_asked_for(row: Row[Any], request: pb.ResolveMemberRequest) -> bool:
    match request.WhichOneof("tenant"):
        case "tenant_id":
            return bool(row.id == request.tenant_id)
        case "tenant_slug":
            return bool(row.slug == request.tenant_slug)
        case _:
            return True
