"""Requests with an idempotency key, behind the interceptor of every service and on real PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import func, select, text, update

from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.kit.errors import Conflict, Failure, Forbidden, Invalid, RateLimited, Unauthenticated, Unavailable
from services.kit.idempotency import Answers
from services.kit.idempotency_claims import LEASE_SECONDS
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.schema.idempotency import idempotent_answers
from tests.integration.kit.conftest import Answer, Client, Gate, Webhooks


async def rows(database: Database, tenant_id: int) -> int:
    async with database.tenant(tenant_id) as connection:
        return (await connection.execute(select(func.count()).select_from(idempotent_answers))).scalar_one()


async def let_expire(database: Database, tenant_id: int) -> None:
    """As if all the time had passed for which something is kept for this tenant."""
    async with database.tenant(tenant_id) as connection:
        await connection.execute(update(idempotent_answers).values(expires_at=func.now()))


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_a_repetition_gets_the_first_answer_and_does_nothing(clients: list[Client]) -> None:
    one, two = clients
    assert await one.create() == Answer(webhook=1)
    for client in (one, two):
        assert await client.create() == Answer(webhook=1, replayed=True)
    assert await one.create("another key") == Answer(webhook=2)


async def test_the_same_key_with_another_body_is_422(client: Client) -> None:
    await client.create()
    answer = await client.create(url="https://b.example")
    assert answer.status == 422
    assert answer.body == '{"detail": "This Idempotency-Key was sent before, with another body."}'
    assert await client.create() == Answer(webhook=1, replayed=True)


async def test_callers_and_paths_do_not_share_keys(client: Client) -> None:
    made = [
        await client.create(),
        await client.create(path="/q"),
        await client.of(client.tenant_id + 500_000).create(),
    ]
    assert [answer.webhook for answer in made] == [1, 2, 3]


async def test_while_the_first_is_running_a_repetition_is_409(clients: list[Client], webhooks: Webhooks) -> None:
    gate = Gate()
    webhooks.work = gate.work
    first = asyncio.create_task(clients[0].create())
    await gate.begun.wait()
    for client in clients:
        answer = await client.create()
        assert (answer.status, answer.retry_after, answer.replayed) == (409, "1", False)
        assert (await client.create(url="https://b.example")).status == 422
    gate.may_end.set()
    assert await first == Answer(webhook=1)
    assert await clients[1].create() == Answer(webhook=1, replayed=True)


async def test_of_many_copies_at_once_one_is_done(clients: list[Client], webhooks: Webhooks) -> None:
    answers = await asyncio.gather(*(client.create() for client in clients * 10))
    assert webhooks.made == 1
    assert {answer.webhook for answer in answers if answer.status == 201} == {1}
    assert {answer.status for answer in answers} <= {201, 409}


@pytest.mark.parametrize(
    "failure", [Invalid({"url": ["is wrong", "so wrong"]}), Invalid(detail="No."), Conflict("It is in use.")]
)
async def test_a_refusal_that_would_come_again_is_kept(client: Client, webhooks: Webhooks, failure: Failure) -> None:
    async def refuse(request: pb.CreateWebhookRequest) -> None:
        raise failure

    webhooks.work = refuse
    first = await client.create()
    webhooks.work = webhooks.no_work
    again = await client.create()
    assert (again.status, again.body, again.replayed) == (first.status, first.body, True)
    assert webhooks.made == 0


@pytest.mark.parametrize(
    "failure", [Unavailable(), RateLimited(), Forbidden(), Unauthenticated(), RuntimeError("a bug")]
)
async def test_after_a_refusal_that_may_pass_a_repetition_is_done(
    client: Client, webhooks: Webhooks, failure: Exception
) -> None:
    async def refuse(request: pb.CreateWebhookRequest) -> None:
        raise failure

    webhooks.work = refuse
    assert (await client.create()).status >= 400
    webhooks.work = webhooks.no_work
    assert await client.create() == Answer(webhook=1)


async def test_work_goes_on_when_its_client_hangs_up(client: Client, webhooks: Webhooks) -> None:
    gate = Gate()
    webhooks.work = gate.work
    call = client.call()
    await gate.begun.wait()
    call.cancel()
    assert (await client.create()).status == 409
    gate.may_end.set()

    async def is_kept() -> bool:
        return await client.create() == Answer(webhook=1, replayed=True)

    await eventually(is_kept)
    assert webhooks.made == 1


async def test_a_claim_lasts_while_the_work_does(client: Client, webhooks: Webhooks, database: Database) -> None:
    async def seconds_left() -> float:
        async with database.tenant(client.tenant_id) as connection:
            left = func.extract("epoch", idempotent_answers.c.expires_at - func.now())
            return float((await connection.execute(select(left))).scalar_one())

    gate = Gate()
    webhooks.work = gate.work
    first = asyncio.create_task(client.create())
    await gate.begun.wait()
    async with database.tenant(client.tenant_id) as connection:
        soon = text("now() + interval '1.5 seconds'")
        await connection.execute(update(idempotent_answers).values(expires_at=soon))

    async def is_renewed() -> bool:
        return await seconds_left() > LEASE_SECONDS / 2

    await eventually(is_renewed)
    gate.may_end.set()
    assert await first == Answer(webhook=1)
    assert await seconds_left() > 23 * 3600


async def test_a_claim_that_was_left_behind_is_taken_over_and_its_late_answer_does_not_count(
    clients: list[Client], webhooks: Webhooks, database: Database
) -> None:
    gate = Gate()
    webhooks.work = gate.work
    late = asyncio.create_task(clients[0].create())
    await gate.begun.wait()
    await let_expire(database, clients[0].tenant_id)
    webhooks.work = webhooks.no_work
    assert await clients[1].create() == Answer(webhook=1)
    gate.may_end.set()
    assert await late == Answer(webhook=2)
    assert await clients[0].create() == Answer(webhook=1, replayed=True)


async def test_an_answer_is_forgotten_after_its_day(client: Client, database: Database, settings: Settings) -> None:
    await client.create()
    await let_expire(database, client.tenant_id)
    assert await client.create() == Answer(webhook=2)
    await let_expire(database, client.tenant_id)
    await Answers(database, settings).forget()
    assert await rows(database, client.tenant_id) == 0


async def test_the_database_tells_neither_key_nor_body_nor_answer(client: Client, database: Database) -> None:
    await client.create("the-key", "https://secret.example")
    async with database.tenant(client.tenant_id) as connection:
        row = (await connection.execute(select(idempotent_answers))).one()
    stored = b"".join(value for value in row if isinstance(value, bytes))
    assert b"the-key" not in stored
    assert b"secret.example" not in stored


async def test_another_tenants_rows_cannot_be_seen(client: Client, database: Database) -> None:
    await client.create()
    assert await rows(database, client.tenant_id) == 1
    assert await rows(database, client.tenant_id + 500_001) == 0


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_is_none_is_400_and_nothing_is_done(client: Client, webhooks: Webhooks, key: str) -> None:
    answer = await client.create(key)
    assert answer.status == 400
    assert answer.body == '{"Idempotency-Key": ["Send one key of 1 to 255 printable characters."]}'
    assert webhooks.made == 0


async def test_a_key_may_have_255_characters(client: Client) -> None:
    assert await client.create("x" * 255) == Answer(webhook=1)


async def test_without_a_key_nothing_is_kept(client: Client, database: Database) -> None:
    assert [(await client.create(None)).webhook for _ in range(2)] == [1, 2]
    assert await rows(database, client.tenant_id) == 0


async def test_without_postgresql_requests_with_a_key_are_503_and_others_do_not_notice(
    client_without_postgresql: Client, webhooks: Webhooks
) -> None:
    answer = await client_without_postgresql.create()
    assert (answer.status, answer.retry_after) == (503, "1")
    assert await client_without_postgresql.create(None) == Answer(webhook=1)
