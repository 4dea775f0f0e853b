"""Keys that sign tokens are the same for every identity process at every moment, on real PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import ProgrammingError

from services.identity.renewal import renew_secrets
from services.identity.signing_keys import VERIFIES, SigningKeys, first_key
from services.identity.tokens import key_id_of, named_key
from services.kit.errors import Unauthenticated
from services.kit.keys import ACCESS_KEY, IDENTITY_KEY, INTERNAL_KEY, ensure_secrets, secret
from services.kit.postgres import IDENTITY_ROLE, Database
from services.kit.settings import Settings
from services.kit.vault import Unreadable, Vault
from services.schema.identity import signing_keys
from tests.integration.identity.replicas import Replica, called, started
from tests.running import wait_for

HOUR = timedelta(hours=1)


@pytest_asyncio.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database.connect(settings, role=IDENTITY_ROLE)
    yield database
    await database.close()


@pytest.fixture
def keys(settings: Settings, database: Database) -> SigningKeys:
    return made(settings, database)


@pytest.fixture(scope="module")
def replicas(settings: Settings) -> Iterator[tuple[Replica, Replica]]:
    """The platform's process and another one, which has new keys sign after a second."""
    with (
        called(settings, settings.address("identity")) as one,
        started(settings, "identity-2", SEGOPS_IDENTITY_KEY_PUBLICATION_SECONDS="1") as other,
    ):
        yield one, other


def made(settings: Settings, database: Database) -> SigningKeys:
    return SigningKeys(
        database=database,
        vault=Vault([secret(settings, IDENTITY_KEY)]),
        publication=timedelta(),
        first=partial(first_key, settings),
    )


async def shown(keys: SigningKeys) -> list[str]:
    return [key["kid"] for key in json.loads(await keys.key_set())["keys"]]


async def current(keys: SigningKeys) -> str:
    async with keys.database.system() as connection:
        return named_key((await keys.signer(connection)).access(user_id=1, tenant_id=1))


async def begin_earlier(database: Database, by: timedelta) -> None:
    """As if so much time had passed."""
    async with database.system() as connection:
        await connection.execute(update(signing_keys).values(signs_from=signing_keys.c.signs_from - by))


async def test_processes_that_start_at_once_on_an_empty_platform_make_one_key(
    settings: Settings, database: Database
) -> None:
    async with database.system() as connection:
        await connection.execute(delete(signing_keys))
    databases = [Database.connect(settings, role=IDENTITY_ROLE) for _ in range(8)]
    found = await asyncio.gather(*(shown(made(settings, each)) for each in databases))
    await asyncio.gather(*(each.close() for each in databases))
    assert len(found[0]) == 1
    assert all(each == found[0] for each in found)


async def test_the_key_of_an_earlier_version_is_taken_over(tmp_path: Path, database: Database) -> None:
    earlier = Settings(data_dir=tmp_path)
    ensure_secrets(earlier)
    assert not (earlier.secrets_dir / ACCESS_KEY).exists()
    (earlier.secrets_dir / INTERNAL_KEY).rename(earlier.secrets_dir / ACCESS_KEY)
    async with database.system() as connection:
        await connection.execute(delete(signing_keys))
    assert await shown(made(earlier, database)) == [key_id_of(first_key(earlier).public_key())]
    async with database.system() as connection:
        await connection.execute(delete(signing_keys))


async def test_a_new_key_is_shown_at_once_and_signs_after_its_publication(
    keys: SigningKeys, replicas: tuple[Replica, Replica]
) -> None:
    one, other = replicas
    before = await current(keys)
    person = one.register()
    new = other.rotate()
    assert one.shown() == other.shown() == [*await shown(keys)]
    assert new in one.shown()
    assert named_key(person.access) == before
    for replica in replicas:
        wait_for(partial(replica.signs_with, new))
    assert before in one.shown()
    assert other.resolve(person, before) == one.resolve(person, new) == "owner"
    assert named_key(other.refresh(person.refresh).access) == new


def test_rotating_at_once_drops_every_key_before_in_every_process(replicas: tuple[Replica, Replica]) -> None:
    one, other = replicas
    person, others = one.register(), other.register()
    dropped = named_key(person.access)
    new = other.rotate(now=True)
    for replica in replicas:
        assert replica.shown() == [new]
        assert replica.signs_with(new)
        assert replica.resolve(person, new) == "owner"
        with pytest.raises(Unauthenticated):
            replica.resolve(person, dropped)
    for replica, token in ((one, others.refresh), (other, person.refresh)):
        with pytest.raises(Unauthenticated):
            replica.refresh(token)


async def test_a_key_goes_when_the_last_of_its_tokens_has_run_out(database: Database, keys: SigningKeys) -> None:
    old = (await keys.rotate(now=True)).id
    middle = (await keys.rotate(now=False)).id
    await begin_earlier(database, VERIFIES - HOUR)
    new = (await keys.rotate(now=False)).id
    await keys.forget()
    assert await shown(keys) == [old, middle, new]
    await begin_earlier(database, 2 * HOUR)
    await keys.forget()
    assert await shown(keys) == [middle, new]
    await begin_earlier(database, 10 * VERIFIES)
    await keys.forget()
    assert await shown(keys) == [new]


async def test_a_key_that_is_not_due_signs_only_where_there_is_no_other(database: Database, keys: SigningKeys) -> None:
    first = (await keys.rotate(now=True)).id
    await begin_earlier(database, -HOUR)
    assert await current(keys) == first
    await begin_earlier(database, HOUR)
    async with database.system() as connection:
        row = (await connection.execute(select(signing_keys))).one()
        pending = {**row._asdict(), "id": "pending", "signs_from": func.now() + HOUR}
        await connection.execute(insert(signing_keys).values(pending))
    assert await current(keys) == first
    await keys.rotate(now=True)


async def test_a_private_key_is_not_in_the_database_as_it_is_nor_there_for_other_services(
    settings: Settings, database: Database, keys: SigningKeys
) -> None:
    await keys.rotate(now=True)
    async with database.system() as connection:
        row = (await connection.execute(select(signing_keys))).one()
    opened = keys.vault.unseal(row.private_key)
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(opened))
    assert key_id_of(key.public_key()) == row.id
    assert opened not in repr(tuple(row))
    assert repr(bytes.fromhex(opened))[2:-1] not in repr(tuple(row))
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with database.tenant(1) as connection:
            await connection.execute(select(signing_keys))


async def test_a_process_brings_what_is_stored_under_a_new_first_key_and_reads_it(
    settings: Settings, database: Database
) -> None:
    old, new = secret(settings, IDENTITY_KEY), Fernet.generate_key().decode()
    try:
        with started(settings, "identity-3", SEGOPS_IDENTITY_KEYS=new) as replica:
            assert replica.signs_with(replica.shown()[-1])
            wait_for(partial(all_under, settings, new))
    finally:
        # For the process that knows no other.
        await renew_secrets(database, Vault([old, new]))
    assert all_under(settings, old)


def all_under(settings: Settings, key: str) -> bool:
    """Whether every private key is encrypted under this one."""
    with psycopg.connect(settings.libpq_dsn) as connection:
        sealed = [row[0] for row in connection.execute("SELECT private_key FROM signing_keys")]
    try:
        return bool([Vault([key]).unseal(each) for each in sealed])
    except Unreadable:
        return False
