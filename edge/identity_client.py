"""What the edge asks the identity service."""

import json
import time
import uuid
from contextlib import AbstractContextManager

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.gen.segops.identity.v1 import credentials_pb2, credentials_pb2_grpc, identity_pb2, identity_pb2_grpc
from services.kit.caller import Caller, Request, mint, serving
from services.kit.channel import call
from services.kit.errors import Unauthenticated

CALL_SECONDS = 2.0
# An unknown key id asks for the key set again, but not more often than this.
KEYS_SECONDS = 5.0


class IdentityClient:
    """Calls the identity service as the edge itself."""

    def __init__(self, channel: grpc.aio.Channel, identity_key: Ed25519PrivateKey) -> None:
        self._credentials = credentials_pb2_grpc.CredentialServiceStub(channel)
        self._public = identity_pb2_grpc.IdentityServiceStub(channel)
        self._identity_key = identity_key
        self._keys: dict[str, jwt.PyJWK] = {}
        self._keys_asked_at = float("-inf")

    async def resolve_api_key(self, key_hash: bytes) -> credentials_pb2.ResolvedApiKey:
        """The key with this hash. Raises NotFound."""
        return await self._resolve_key(credentials_pb2.ResolveApiKeyRequest(key_hash=key_hash))

    async def resolve_key_id(self, key_id: int) -> credentials_pb2.ResolvedApiKey:
        """The key with this id. Raises NotFound."""
        return await self._resolve_key(credentials_pb2.ResolveApiKeyRequest(key_id=key_id))

    async def _resolve_key(self, request: credentials_pb2.ResolveApiKeyRequest) -> credentials_pb2.ResolvedApiKey:
        with self._as_edge():
            answer = await call(self._credentials.ResolveApiKey, request, seconds=CALL_SECONDS)
        assert isinstance(answer, credentials_pb2.ResolvedApiKey)
        return answer

    async def resolve_member(self, user_id: int, tenant_id: int, slug: str) -> credentials_pb2.ResolvedMember:
        """A person's role in the tenant `slug`, or in `tenant_id` when there is no slug. Raises NotFound."""
        request = credentials_pb2.ResolveMemberRequest(user_id=user_id)
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
        if key_id not in self._keys and time.monotonic() - self._keys_asked_at > KEYS_SECONDS:
            with self._as_edge():
                answer = await call(self._public.GetJwks, identity_pb2.GetJwksRequest(), seconds=CALL_SECONDS)
            self._keys_asked_at = time.monotonic()
            self._keys = {key["kid"]: jwt.PyJWK(key) for key in json.loads(answer.data)["keys"]}
        try:
            return self._keys[key_id]
        except KeyError:
            raise Unauthenticated from None

    def _as_edge(self) -> AbstractContextManager[None]:
        token = mint(Caller(kind="service", service="edge"), self._identity_key)
        return serving(Request(id=str(uuid.uuid4()), token=token))
