"""Identities for work without a caller: a job acts in its tenant under an identity from the identity service."""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from services.gen.segops.identity.v1 import credentials_pb2, credentials_pb2_grpc
from services.kit.caller import REQUEST_ID_HEADER, SERVICE_SECRET_HEADER, Caller, Request, serving
from services.kit.channel import CALL_SECONDS, connect
from services.kit.failures import from_rpc_error
from services.kit.keys import SERVICE_SECRET, secret
from services.kit.settings import Settings

# A token is asked for anew when it has less than this left.
RENEW_SECONDS = 120


class Actor:
    """A process that acts for tenants. Keeps one identity per tenant until shortly before it expires."""

    def __init__(self, settings: Settings, service: str) -> None:
        self._service = service
        self._secret = secret(settings, SERVICE_SECRET)
        self._stub = credentials_pb2_grpc.CredentialServiceStub(connect(settings, "identity"))
        self._tokens: dict[int, tuple[float, str]] = {}

    @asynccontextmanager
    async def acting_for(self, tenant_id: int, *, request_id: str = "") -> AsyncIterator[None]:
        """Calls within the block carry this service's identity in the tenant. Raises Unavailable without identity."""
        caller = Caller(kind="service", tenant_id=tenant_id, service=self._service)
        request = Request(id=request_id or str(uuid.uuid4()), caller=caller, token=await self._token(tenant_id))
        with serving(request):
            yield

    async def _token(self, tenant_id: int) -> str:
        expires, token = self._tokens.get(tenant_id, (0.0, ""))
        if expires - time.monotonic() > RENEW_SECONDS:
            return token
        metadata = ((SERVICE_SECRET_HEADER, self._secret), (REQUEST_ID_HEADER, str(uuid.uuid4())))
        request = credentials_pb2.IssueIdentityRequest(tenant_id=tenant_id, service=self._service)
        try:
            issued = await self._stub.IssueIdentity(request, metadata=metadata, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        self._tokens[tenant_id] = (time.monotonic() + issued.expires_in, issued.token)
        return issued.token
