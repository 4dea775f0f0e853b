"""Several identity processes on one database, as their callers know them."""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from services.gen.segops.identity.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    credentials_pb2,
    credentials_pb2_grpc,
    identity_pb2,
    identity_pb2_grpc,
)
from services.identity.tokens import named_key
from services.kit.caller import IDENTITY_HEADER, SERVICE_SECRET_HEADER, Caller, mint
from services.kit.failures import from_rpc_error
from services.kit.keys import INTERNAL_KEY, SERVICE_SECRET, private_key, secret
from services.kit.settings import Settings
from tests.integration.process import ServiceProcess


class Replica:
    """One identity process, called with the identity of the edge and the secret of an operator."""

    def __init__(self, settings: Settings, channel: grpc.Channel) -> None:
        self._public = identity_pb2_grpc.IdentityServiceStub(channel)
        self._credentials = credentials_pb2_grpc.CredentialServiceStub(channel)
        self._admin = admin_pb2_grpc.AdminServiceStub(channel)
        self._metadata = (
            (IDENTITY_HEADER, mint(Caller(kind="service", service="edge"), private_key(settings, INTERNAL_KEY))),
            (SERVICE_SECRET_HEADER, secret(settings, SERVICE_SECRET)),
        )

    def rotate(self, *, now: bool = False) -> str:
        """The id of a new key."""
        record: admin_pb2.SigningKeyRecord = self._call(
            self._admin.RotateSigningKey, admin_pb2.RotateSigningKeyRequest(now=now)
        )
        return record.key_id

    def shown(self) -> list[str]:
        """The ids of the keys in the key set."""
        answer = self._call(self._public.GetJwks, identity_pb2.GetJwksRequest())
        return [key["kid"] for key in json.loads(answer.data)["keys"]]

    def register(self) -> identity_pb2.RegisterResponse:
        """A new person with a tenant."""
        slug = f"tenant-{secrets.token_hex(6)}"
        request = identity_pb2.RegisterRequest(
            email=f"{slug}@example.com", password=secrets.token_hex(8), tenant_name=slug, tenant_slug=slug
        )
        made: identity_pb2.RegisterResponse = self._call(self._public.Register, request)
        return made

    def refresh(self, token: str) -> identity_pb2.TokenPair:
        """New tokens."""
        pair: identity_pb2.TokenPair = self._call(
            self._public.RefreshToken, identity_pb2.RefreshTokenRequest(refresh=token)
        )
        return pair

    def signs_with(self, key_id: str) -> bool:
        """Whether tokens are signed with this key now."""
        return named_key(self.register().access) == key_id

    def resolve(self, person: identity_pb2.RegisterResponse, key_id: str) -> str:
        """The role of a person in the tenant made with it, for a token that names a key."""
        request = credentials_pb2.ResolveMemberRequest(
            user_id=person.user.id, tenant_id=person.tenant.id, signing_key_id=key_id
        )
        found: credentials_pb2.ResolvedMember = self._call(self._credentials.ResolveMember, request)
        return found.role

    def _call(self, method: Callable[..., Any], request: object) -> Any:
        try:
            return method(request, metadata=self._metadata, timeout=10)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error  # type: ignore[arg-type]


@contextmanager
def called(settings: Settings, address: str) -> Iterator[Replica]:
    """The process at an address."""
    with grpc.insecure_channel(address) as channel:
        yield Replica(settings, channel)


@contextmanager
def started(settings: Settings, name: str, **variables: str) -> Iterator[Replica]:
    """One process more, within the block."""
    listen = f"unix:{settings.run_dir / f'{name}.sock'}"
    process = ServiceProcess(settings, "identity", SEGOPS_LISTEN=listen, **variables)
    process.start()
    try:
        with called(settings, listen) as replica:
            yield replica
    finally:
        process.stop()
