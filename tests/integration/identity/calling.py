"""Calls to identity processes, as the edge makes them for a client at an address."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from secrets import token_hex
from typing import Any

import grpc

from services.gen.segops.identity.v1 import (
    admin_pb2_grpc,
    credentials_pb2,
    credentials_pb2_grpc,
    identity_pb2,
    identity_pb2_grpc,
    team_pb2,
    team_pb2_grpc,
    tenants_pb2_grpc,
)
from services.kit.caller import ADDRESS_HEADER, ANONYMOUS, IDENTITY_HEADER, Caller, mint
from services.kit.failures import from_rpc_error
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.settings import Settings
from tests.integration.process import ServiceProcess

PASSWORD = "correct horse battery staple"
_addresses = (f"198.18.{number // 250}.{number % 250}" for number in count(1))


def new_address() -> str:
    """An address that no other test of this run comes from."""
    return next(_addresses)


class Identity:
    """One identity process."""

    def __init__(self, settings: Settings, channel: grpc.aio.Channel) -> None:
        self._stubs: list[Any] = [
            identity_pb2_grpc.IdentityServiceStub(channel),
            tenants_pb2_grpc.TenantServiceStub(channel),
            team_pb2_grpc.TeamServiceStub(channel),
            credentials_pb2_grpc.CredentialServiceStub(channel),
            # Its CreateTenant is not meant.
            admin_pb2_grpc.AdminServiceStub(channel),
        ]
        self._key = private_key(settings, INTERNAL_KEY)

    async def call(self, rpc: str, request: Any, *, caller: Caller = ANONYMOUS, address: str = "") -> Any:
        """The answer to a caller. Raises the failure that the service answered with."""
        method = next(getattr(stub, rpc) for stub in self._stubs if hasattr(stub, rpc))
        metadata = ((IDENTITY_HEADER, mint(caller, self._key)), (ADDRESS_HEADER, address))
        try:
            return await method(request, metadata=metadata, timeout=60)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def register(self, *, address: str = "") -> "Person":
        """A new person who owns a new tenant."""
        slug = f"tenant-{token_hex(6)}"
        request = identity_pb2.RegisterRequest(
            email=f"{slug}@example.com", password=PASSWORD, tenant_name=slug, tenant_slug=slug
        )
        made = await self.call("Register", request, address=address or new_address())
        return Person(self, Caller(kind="person", tenant_id=made.tenant.id, user_id=made.user.id, role="owner"), made)

    async def sign_in(self, email: str, password: str, address: str, slug: str = "") -> identity_pb2.TokenPair:
        request = identity_pb2.CreateTokenRequest(email=email, password=password, tenant_slug=slug)
        pair: identity_pb2.TokenPair = await self.call("CreateToken", request, address=address)
        return pair

    async def refresh(self, token: str) -> identity_pb2.TokenPair:
        pair: identity_pb2.TokenPair = await self.call("RefreshToken", identity_pb2.RefreshTokenRequest(refresh=token))
        return pair

    async def accept(self, token: str, password: str = PASSWORD, address: str = "") -> identity_pb2.TokenPair:
        request = team_pb2.AcceptInvitationRequest(token=token, password=password)
        pair: identity_pb2.TokenPair = await self.call("AcceptInvitation", request, address=address or new_address())
        return pair

    async def member(self, user_id: int, tenant_id: int) -> credentials_pb2.ResolvedMember:
        """What the edge hears of a person in a tenant. Raises NotFound."""
        request = credentials_pb2.ResolveMemberRequest(
            user_id=user_id, tenant_id=tenant_id, signing_key_id=await self._signing_key()
        )
        found: credentials_pb2.ResolvedMember = await self.call(
            "ResolveMember", request, caller=Caller(kind="service", service="edge")
        )
        return found

    async def role(self, user_id: int, tenant_id: int) -> str:
        """The role of a person in a tenant. Raises NotFound."""
        return (await self.member(user_id, tenant_id)).role

    async def _signing_key(self) -> str:
        key_set = await self.call("GetJwks", identity_pb2.GetJwksRequest())
        return str(json.loads(key_set.data)["keys"][0]["kid"])


class Person:
    """A person, in a tenant."""

    def __init__(self, identity: Identity, caller: Caller, made: identity_pb2.RegisterResponse) -> None:
        self._identity = identity
        self.caller = caller
        self.email = made.user.email
        self.id = made.user.id
        self.tenant_id = made.tenant.id
        self.slug = made.tenant.slug
        self.refresh = made.refresh

    async def call(self, rpc: str, request: Any, identity: Identity | None = None) -> Any:
        """An answer to this person, of another process when one is named."""
        return await (identity or self._identity).call(rpc, request, caller=self.caller)

    async def invite(self, email: str, role: str = "member") -> team_pb2.CreatedInvitation:
        created: team_pb2.CreatedInvitation = await self.call("Invite", team_pb2.InviteRequest(email=email, role=role))
        return created


@asynccontextmanager
async def calling(settings: Settings, address: str) -> AsyncIterator[Identity]:
    """The process at an address."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield Identity(settings, channel)


@contextmanager
def running(settings: Settings, name: str, **variables: str) -> Iterator[tuple[str, ServiceProcess]]:
    """One identity process more, within the block: its address, and itself."""
    listen = f"unix:{settings.run_dir / f'{name}.sock'}"
    process = ServiceProcess(settings, "identity", SEGOPS_LISTEN=listen, **variables)
    process.start()
    try:
        yield listen, process
    finally:
        process.stop()
