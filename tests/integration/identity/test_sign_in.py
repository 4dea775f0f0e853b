"""How often a password may be tried, over two identity processes, on real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from secrets import token_hex

import psycopg
import pytest
import pytest_asyncio

from services.gen.segops.identity.v1 import identity_pb2
from services.identity.sign_in import MOST_FAILURES
from services.kit.errors import RateLimited, Unauthenticated
from services.kit.settings import Settings
from tests.integration.identity.calling import PASSWORD, Identity, calling, new_address, running
from tests.running import WAIT_SECONDS

WRONG = "something else"


@pytest.fixture(scope="module")
def second(settings: Settings) -> Iterator[str]:
    with running(settings, "identity-b") as (address, _):
        yield address


@pytest_asyncio.fixture
async def replicas(settings: Settings, second: str) -> AsyncIterator[tuple[Identity, Identity]]:
    async with calling(settings, settings.address("identity")) as one, calling(settings, second) as other:
        yield one, other


@pytest.fixture
def rows(settings: Settings) -> Iterator[psycopg.Connection]:
    """The database, as its owner; attempts of other tests are gone."""
    with psycopg.connect(settings.libpq_dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM sign_in_attempts")
        yield connection


def pass_time(rows: psycopg.Connection, seconds: float) -> None:
    """Makes every attempt so much older."""
    rows.execute("UPDATE sign_in_attempts SET started_at = started_at - %s", [timedelta(seconds=seconds)])


async def fail(identity: Identity, email: str, address: str, rows: psycopg.Connection, times: int) -> None:
    """Fails once, and has that count so many times: a password takes long to check."""
    await outcomes([wrong(identity, email, address)])
    rows.execute(
        """INSERT INTO sign_in_attempts (id, account, address, is_running, started_at)
           SELECT gen_random_uuid(), account, address, is_running, started_at
           FROM sign_in_attempts, generate_series(2, %s)""",
        [times],
    )


async def outcomes(attempts: list["asyncio.Task[identity_pb2.TokenPair]"]) -> list[object]:
    return await asyncio.gather(*attempts, return_exceptions=True)


def wrong(identity: Identity, email: str, address: str) -> "asyncio.Task[identity_pb2.TokenPair]":
    return asyncio.create_task(identity.sign_in(email, WRONG, address))


async def test_of_any_number_of_wrong_passwords_at_once_ten_are_looked_at_for_an_account(
    replicas: tuple[Identity, Identity], rows: psycopg.Connection
) -> None:
    home = new_address()
    person = await replicas[0].register(address=home)
    found = await outcomes([wrong(replicas[n % 2], person.email.upper(), new_address()) for n in range(24)])
    assert sum(isinstance(one, Unauthenticated) for one in found) == MOST_FAILURES
    refused = [one for one in found if isinstance(one, RateLimited)]
    assert len(refused) == 24 - MOST_FAILURES
    # The right one is not told from others meanwhile, and it is not looked at.
    with pytest.raises(RateLimited) as failure:
        await replicas[1].sign_in(person.email, PASSWORD, new_address())
    assert 40 <= failure.value.retry_after_seconds <= 60
    # Whoever signed in from an address before is shut out by nobody else.
    assert (await replicas[1].sign_in(person.email, PASSWORD, home)).access


async def test_the_minute_ends_when_it_was_said_to_and_refusals_do_not_prolong_it(
    replicas: tuple[Identity, Identity], rows: psycopg.Connection
) -> None:
    person = await replicas[0].register()
    await fail(replicas[0], person.email, new_address(), rows, MOST_FAILURES)
    pass_time(rows, 30)
    with pytest.raises(RateLimited) as failure:
        await replicas[1].sign_in(person.email, WRONG, new_address())
    seconds = failure.value.retry_after_seconds
    assert seconds <= 30
    pass_time(rows, seconds)
    assert (await replicas[1].sign_in(person.email, PASSWORD, new_address())).access


async def test_ten_failures_of_an_address_are_the_last_whatever_the_account(
    replicas: tuple[Identity, Identity], rows: psycopg.Connection
) -> None:
    address, neighbour = "2001:db8:1:2::3", "2001:db8:1:2:ffff::4"
    person = await replicas[0].register(address=address)
    # Of accounts that do not exist, too.
    await fail(replicas[0], f"{token_hex(6)}@example.com", address, rows, MOST_FAILURES - 1)
    found = await outcomes([wrong(replica, f"{token_hex(6)}@example.com", address) for replica in replicas])
    assert {type(one) for one in found} == {Unauthenticated, RateLimited}
    with pytest.raises(RateLimited):
        await replicas[1].sign_in(person.email, PASSWORD, neighbour)
    assert (await replicas[1].sign_in(person.email, PASSWORD, "2001:db8:1:3::3")).access


async def test_right_passwords_count_nothing_however_many_at_once(
    replicas: tuple[Identity, Identity], rows: psycopg.Connection
) -> None:
    address = new_address()
    person = await replicas[0].register(address=address)
    await fail(replicas[0], person.email, address, rows, MOST_FAILURES - 1)
    # One at a time fits beside nine failures; the others wait for it.
    found = await outcomes(
        [asyncio.create_task(replicas[n % 2].sign_in(person.email, PASSWORD, address)) for n in range(4)]
    )
    assert all(isinstance(one, identity_pb2.TokenPair) for one in found)
    assert rows.execute("SELECT count(*) FROM sign_in_attempts").fetchone() == (MOST_FAILURES - 1,)


async def test_whoever_hangs_up_has_tried_all_the_same(
    replicas: tuple[Identity, Identity], rows: psycopg.Connection
) -> None:
    person = await replicas[0].register()

    async def there_are(count: int, *, running: bool) -> None:
        query = "SELECT count(*) FROM sign_in_attempts WHERE is_running = %s"
        async with asyncio.timeout(WAIT_SECONDS):
            while rows.execute(query, [running]).fetchone() != (count,):
                await asyncio.sleep(0.005)

    attempt = wrong(replicas[0], person.email, new_address())
    await there_are(1, running=True)
    attempt.cancel()
    await there_are(1, running=False)


async def test_an_attempt_of_a_process_that_died_counts_for_a_minute_and_not_longer(
    replicas: tuple[Identity, Identity], rows: psycopg.Connection
) -> None:
    person = await replicas[0].register()
    await fail(replicas[0], person.email, new_address(), rows, MOST_FAILURES)
    rows.execute("UPDATE sign_in_attempts SET is_running = true")
    pass_time(rows, 59)
    assert (await replicas[1].sign_in(person.email, PASSWORD, new_address())).access


async def test_the_database_holds_neither_accounts_nor_addresses_of_attempts(
    replicas: tuple[Identity, Identity], rows: psycopg.Connection
) -> None:
    address, email = new_address(), f"{token_hex(6)}@example.com"
    await outcomes([wrong(replicas[0], email, address)])
    attempts = rows.execute("SELECT account, address FROM sign_in_attempts").fetchall()
    known = rows.execute("SELECT address FROM known_addresses").fetchall()
    for (stored,) in [*((value,) for row in attempts for value in row), *known]:
        assert len(stored) == 32
        assert address.encode() not in stored
