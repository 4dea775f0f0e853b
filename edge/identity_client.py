"""What the edge asks the identity service."""

import json
import uuid
from contextlib import AbstractContextManager
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.token_keys import TokenKeys
from services.gen.segops.identity.v1 import credentials_pb2, credentials_pb2_grpc, identity_pb2, identity_pb2_grpc
from services.kit.caller import Caller, Request, current_request, mint, serving
from services.kit.channel import call

CALL_SECONDS = 2.0


class IdentityClient:
    """Calls the identity service as the edge itself."""

    def __init__(self, channel: grpc.aio.Channel, identity_key: Ed25519PrivateKey) -> None:
        self._credentials = credentials_pb2_grpc.CredentialServiceStub(channel)
        self._public = identity_pb2_grpc.IdentityServiceStub(channel)
        self._identity_key = identity_key
        self._token_keys = TokenKeys(self._ask_for_keys)

    async def resolve_api_key(self, key_hash: bytes) -> credentials_pb2.ResolvedApiKey:
        """The key with this hash. Raises NotFound."""
        return await self._resolve_key(credentials_pb2.ResolveApiKeyRequest(key_hash=key_hash))

    async def resolve_key_id(self, key_id: int, signed_by: str) -> credentials_pb2.ResolvedApiKey:
        """The key with this id, which a token signed by `signed_by` names. Raises NotFound, or Unauthenticated."""
        return await self._resolve_key(credentials_pb2.ResolveApiKeyRequest(key_id=key_id, signing_key_id=signed_by))

    async def _resolve_key(self, request: credentials_pb2.ResolveApiKeyRequest) -> credentials_pb2.ResolvedApiKey:
        with self._as_edge():
            answer = await call(self._credentials.ResolveApiKey, request, seconds=CALL_SECONDS)
        assert isinstance(answer, credentials_pb2.ResolvedApiKey)
        return answer

    async def resolve_member(
        self, user_id: int, tenant_id: int, slug: str, signed_by: str
    ) -> credentials_pb2.ResolvedMember:
        """A person's role in the tenant `slug`, or in `tenant_id` when there is no slug.

        Raises NotFound; Unauthenticated when the key that signed the token no longer counts.
        """
        request = credentials_pb2.ResolveMemberRequest(user_id=user_id, signing_key_id=signed_by)
        if slug:
            request.tenant_slug = slug
        else:
            request.tenant_id = tenant_id
        with self._as_edge():
            answer = await call(self._credentials.ResolveMember, request, seconds=CALL_SECONDS)
        assert isinstance(answer, credentials_pb2.ResolvedMember)
        return answer

    async def record_key_use(self, uses: list[credentials_pb2.KeyUse]) -> None:
        """Notes when keys were last used."""
        with self._as_edge():
            request = credentials_pb2.RecordKeyUseRequest(uses=uses)
            await call(self._credentials.RecordKeyUse, request, seconds=CALL_SECONDS)

    async def token_key(self, key_id: str) -> jwt.PyJWK:
        """The public key that signed a token. Raises Unauthenticated for an unknown id."""
        return await self._token_keys.find(key_id)

    def forget_keys(self) -> None:
        """The public keys have changed, or may have."""
        self._token_keys.forget()

    async def _ask_for_keys(self) -> list[dict[str, Any]]:
        with self._as_edge():
            answer = await call(self._public.GetJwks, identity_pb2.GetJwksRequest(), seconds=CALL_SECONDS)
        keys: list[dict[str, Any]] = json.loads(answer.data)["keys"]
        return keys

    def _as_edge(self) -> AbstractContextManager[None]:
        token = mint(Caller(kind="service", service="edge"), self._identity_key)
        return serving(Request(id=current_request().id or str(uuid.uuid4()), token=token))
