"""What the identity service keeps of public keys, and whom it opens sessions for, on real PostgreSQL."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from sqlalchemy import insert, select

from services.gen.segops.identity.v1 import credentials_pb2, credentials_pb2_grpc, identity_pb2, identity_pb2_grpc
from services.kit.caller import Caller, Request, mint, serving
from services.kit.channel import call, connect
from services.kit.errors import Forbidden, NotFound, Unauthenticated
from services.kit.keys import IDENTITY_KEY, INTERNAL_KEY, private_key, secret
from services.kit.postgres import IDENTITY_ROLE, Database
from services.kit.settings import Settings
from services.kit.vault import Vault
from services.kit.wire import nullable
from services.schema.identity import api_keys, tenants


class Identity:
    """Calls the identity service as whoever the edge says it is."""

    def __init__(self, settings: Settings, channel: grpc.aio.Channel) -> None:
        self._stub = identity_pb2_grpc.IdentityServiceStub(channel)
        self._credentials = credentials_pb2_grpc.CredentialServiceStub(channel)
        self._key = private_key(settings, INTERNAL_KEY)

    async def create_key(self, tenant_id: int, **fields: Any) -> identity_pb2.CreatedApiKey:
        caller = Caller(kind="person", tenant_id=tenant_id, role="owner")
        request = identity_pb2.CreateApiKeyRequest(name="web", key_type="public", **fields)
        with self._as(caller):
            created: identity_pb2.CreatedApiKey = await call(self._stub.CreateApiKey, request)
        return created

    async def open(self, caller: Caller, user_id: str) -> identity_pb2.Session:
        with self._as(caller):
            request = identity_pb2.OpenSessionRequest(user_id=nullable(user_id))
            session: identity_pb2.Session = await call(self._stub.OpenSession, request)
        return session

    async def resolve(self, **key: Any) -> credentials_pb2.ResolvedApiKey:
        with self._as(Caller(kind="service", service="edge")):
            request = credentials_pb2.ResolveApiKeyRequest(**key)
            found: credentials_pb2.ResolvedApiKey = await call(self._credentials.ResolveApiKey, request)
        return found

    def _as(self, caller: Caller) -> Any:
        return serving(Request(id="test", token=mint(caller, self._key)))


@pytest_asyncio.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database.connect(settings, role=IDENTITY_ROLE)
    yield database
    await database.close()


@pytest_asyncio.fixture
async def identity(settings: Settings) -> AsyncIterator[Identity]:
    async with connect(settings, "identity") as channel:
        yield Identity(settings, channel)


async def new_tenant(database: Database) -> int:
    slug = f"tenant-{secrets.token_hex(6)}"
    async with database.system() as connection:
        statement = insert(tenants).values(slug=slug, name=slug, plan="free").returning(tenants.c.id)
        return int((await connection.execute(statement)).scalar_one())


async def test_neither_a_key_nor_what_signs_is_in_the_database_as_it_is(
    settings: Settings, database: Database, identity: Identity
) -> None:
    tenant_id = await new_tenant(database)
    created = await identity.create_key(tenant_id)
    async with database.tenant(tenant_id) as connection:
        row = (await connection.execute(select(api_keys))).one()
    hmac_secret = created.hmac_secret.string_value
    stored = repr(tuple(row))
    assert created.key not in stored
    assert hmac_secret not in stored
    assert repr(bytes.fromhex(hmac_secret)) not in stored
    assert Vault([secret(settings, IDENTITY_KEY)]).unseal(row.hmac_secret) == hmac_secret


async def test_a_key_that_was_revoked_meanwhile_or_is_another_tenants_opens_nothing(
    database: Database, identity: Identity
) -> None:
    mine, theirs = await new_tenant(database), await new_tenant(database)
    created = await identity.create_key(mine)
    assert (await identity.open(Caller(kind="public_key", tenant_id=mine, key_id=created.id), "a")).uid == "a"
    for caller in (
        Caller(kind="public_key", tenant_id=theirs, key_id=created.id),
        Caller(kind="public_key", tenant_id=mine, key_id=0),
    ):
        with pytest.raises(Unauthenticated):
            await identity.open(caller, "a")


@pytest.mark.parametrize("kind", ["person", "secret_key", "session", "service"])
async def test_only_a_public_key_opens_a_session(database: Database, identity: Identity, kind: Any) -> None:
    tenant_id = await new_tenant(database)
    created = await identity.create_key(tenant_id)
    with pytest.raises(Forbidden):
        await identity.open(Caller(kind=kind, tenant_id=tenant_id, key_id=created.id, role="owner"), "a")


async def test_a_key_is_found_by_its_id_as_by_its_hash(database: Database, identity: Identity) -> None:
    tenant_id = await new_tenant(database)
    created = await identity.create_key(tenant_id)
    found = await identity.resolve(key_id=created.id)
    assert (found.tenant_id, found.key_type) == (tenant_id, "public")
    for key in ({"key_id": 0}, {"key_hash": b""}, {}):
        with pytest.raises(NotFound):
            await identity.resolve(**key)
