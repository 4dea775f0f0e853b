"""A shop's webhook is taken once when it is really the shop's, whoever sends it how often, and whatever is away."""

import asyncio
import json
from collections.abc import Mapping
from functools import partial

import grpc
import psycopg
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict
from nats.js import JetStreamContext

from services.gen.segops.ingestion.v1 import ingestion_pb2, ingestion_pb2_grpc, shopify_pb2, shopify_pb2_grpc
from services.kit.caller import ANONYMOUS, IDENTITY_HEADER, Caller, mint
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.settings import Settings
from services.kit.wire import nullable
from tests.e2e.account import new_slug
from tests.integration.ingestion.conftest import Platform, eventually, stored
from tests.running import wait_for
from tests.shopify_webhooks import CHECKOUT, DELETED_CHECKOUT, ORDER, body_of, signature

SECRET = "hush-a-secret-of-this-shop"
BODY = body_of(ORDER)
FORGED = "Zm9yZ2Vk"


class Shop:
    """A tenant's shop, and the tenant's owner."""

    def __init__(self, settings: Settings, channel: grpc.aio.Channel) -> None:
        self.slug = new_slug()
        with psycopg.connect(settings.libpq_dsn, autocommit=True) as connection:
            row = connection.execute(
                "INSERT INTO tenants (slug, name, plan) VALUES (%s, 'Shop', 'enterprise') RETURNING id", (self.slug,)
            ).fetchone()
        assert row is not None
        self.tenant_id: int = row[0]
        owner = Caller(kind="person", tenant_id=self.tenant_id, user_id=1, role="owner")
        key = private_key(settings, INTERNAL_KEY)
        self._owner = ((IDENTITY_HEADER, mint(owner, key)),)
        self._nobody = ((IDENTITY_HEADER, mint(ANONYMOUS, key)),)
        self._stub = shopify_pb2_grpc.ShopifyServiceStub(channel)
        self._ingestion = ingestion_pb2_grpc.IngestionServiceStub(channel)

    async def put(self, secret: str | float | Mapping[str, object] | None) -> object:
        request = shopify_pb2.PutShopifyRequest(webhook_secret=nullable(secret))
        return MessageToDict(await self._stub.PutShopify(request, metadata=self._owner))["webhookSecret"]

    async def get(self) -> object:
        shown = await self._stub.GetShopify(shopify_pb2.GetShopifyRequest(), metadata=self._owner)
        return MessageToDict(shown)["webhookSecret"]

    async def send(
        self,
        topic: str = "orders/create",
        body: bytes = BODY,
        *,
        secret: str = SECRET,
        slug: str = "",
        **headers: str,
    ) -> bool:
        """Sends a webhook; `headers` are those that begin X-Shopify, in place of the right ones."""
        sent = {"topic": topic, "hmac_sha256": signature(secret, body), **headers}
        metadata = tuple((f"x-shopify-{name.replace('_', '-')}", value) for name, value in sent.items())
        request = shopify_pb2.ReceiveWebhookRequest(
            tenant_slug=slug or self.slug, body=HttpBody(content_type="application/json", data=body)
        )
        answer = await self._stub.ReceiveWebhook(request, metadata=(*self._nobody, *metadata))
        return bool(answer.queued)

    async def errors(self) -> list[tuple[str, str]]:
        """Event type and error of the refused events."""
        page = await self._ingestion.ListErrors(ingestion_pb2.ListErrorsRequest(), metadata=self._owner)
        return [(error.event_type, error.error) for error in page.results]


@pytest.fixture
async def shop(platform: Platform, channel: grpc.aio.Channel) -> Shop:
    made = Shop(platform.settings, channel)
    await made.put(SECRET)
    return made


async def events(stream: JetStreamContext, shop: Shop) -> list[list[str]]:
    """Cells of the shop's events in the log, in their order."""
    texts = [rows.decode() for rows, _ in await stored(stream, shop.tenant_id)]
    return [line.split("\t") for text in texts for line in text.splitlines()]


async def test_a_webhook_is_one_event(shop: Shop, stream: JetStreamContext) -> None:
    assert await shop.send(webhook_id="w-1")
    [cells] = await events(stream, shop)
    assert cells[1:4] == ["john@example.com", "order_placed", "2022-01-01 00:00:00.000"]
    assert json.loads(cells[6])["total"] == 388.0


async def test_a_webhook_is_taken_once_under_its_id_and_under_any_other(shop: Shop, stream: JetStreamContext) -> None:
    assert await shop.send(webhook_id="w-1")
    assert not await shop.send(webhook_id="w-1")
    assert not await shop.send(webhook_id="w-2")
    assert not await shop.send()
    assert not await shop.send(body=body_of({**ORDER, "id": 2}), webhook_id="w-1")
    assert len(await events(stream, shop)) == 1


async def test_copies_at_the_same_time_are_one_event(shop: Shop, stream: JetStreamContext) -> None:
    copies = [shop.send(webhook_id="w-1") for _ in range(10)] + [shop.send(webhook_id=f"x-{i}") for i in range(10)]
    assert sum(await asyncio.gather(*copies)) == 1
    assert len(await events(stream, shop)) == 1


async def test_topics_and_tenants_are_kept_apart(
    shop: Shop, platform: Platform, channel: grpc.aio.Channel, stream: JetStreamContext
) -> None:
    other = Shop(platform.settings, channel)
    await other.put(SECRET)
    assert [await shop.send(topic) for topic in ("orders/create", "orders/paid", "orders/cancelled")] == [True] * 3
    assert await other.send(webhook_id="w-1")
    assert [cells[2] for cells in await events(stream, shop)] == ["order_placed", "order_paid", "order_cancelled"]
    assert [cells[0] for cells in await events(stream, other)] == [str(other.tenant_id)]


async def test_another_topic_is_verified_and_not_taken(shop: Shop, stream: JetStreamContext) -> None:
    assert not await shop.send("orders/updated")
    assert not await shop.send("")
    assert not await shop.send("products/create", b"no json")
    with pytest.raises(grpc.aio.AioRpcError):
        await shop.send("orders/updated", secret="wrong")
    assert await events(stream, shop) == []


async def test_whoever_does_not_know_the_secret_learns_nothing(
    shop: Shop, platform: Platform, channel: grpc.aio.Channel, stream: JetStreamContext
) -> None:
    without = Shop(platform.settings, channel)
    refusals = [
        partial(shop.send, secret="wrong"),
        partial(shop.send, hmac_sha256=""),
        partial(shop.send, hmac_sha256=FORGED),
        partial(shop.send, hmac_sha256=signature(SECRET, BODY).lower()),
        partial(shop.send, hmac_sha256=signature(SECRET, BODY + b" ")),
        partial(without.send, slug="nobody-s-shop"),
        partial(without.send),
        partial(without.send, secret=""),
        partial(shop.send, body=b"no json", secret="wrong"),
        partial(shop.send, slug="a' OR true --"),
    ]
    answers = set()
    for refused in refusals:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await refused()
        answers.add((raised.value.code(), raised.value.details(), tuple(raised.value.trailing_metadata() or ())))
    assert len(answers) == 1
    assert {code for code, _, _ in answers} == {grpc.StatusCode.UNAUTHENTICATED}
    assert await events(stream, shop) == []


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[1]", b'"text"', b"\xff"])
async def test_a_signed_body_that_is_no_object_is_refused(shop: Shop, body: bytes) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shop.send(body=body)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_deleted_checkout_is_whose_it_was_when_it_began(shop: Shop, stream: JetStreamContext) -> None:
    started = {name: value for name, value in CHECKOUT.items() if name != "id"}
    deleted = {name: value for name, value in DELETED_CHECKOUT.items() if name != "id"}
    for create, delete in ((CHECKOUT, DELETED_CHECKOUT), (started, deleted)):
        assert await shop.send("checkouts/create", body_of(create))
        assert await shop.send("checkouts/delete", body_of(delete), triggered_at="2022-01-05T08:00:00Z")
    cells = await events(stream, shop)
    assert [row[2] for row in cells] == ["checkout_started", "checkout_abandoned"] * 2
    assert {row[1] for row in cells} == {"john@example.com"}
    assert cells[1][3] == "2022-01-05 08:00:00.000"


async def test_what_names_no_customer_is_listed(shop: Shop, stream: JetStreamContext) -> None:
    guest = {**ORDER, "customer": None, "email": "", "contact_email": None}
    assert not await shop.send("orders/create", body_of(guest))
    assert not await shop.send("checkouts/delete", body_of(DELETED_CHECKOUT))
    assert await events(stream, shop) == []

    async def both_are_listed() -> bool:
        return len(await shop.errors()) == 2

    await eventually(both_are_listed)
    assert await shop.errors() == [
        ("checkout_abandoned", "user_id: This field is required."),
        ("order_placed", "user_id: This field is required."),
    ]


async def test_a_webhook_is_taken_later_when_the_log_is_away(
    platform: Platform, shop: Shop, stream: JetStreamContext
) -> None:
    platform.log.stop()
    try:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await shop.send(webhook_id="w-1")
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    finally:
        platform.log.start()

    async def is_taken() -> bool:
        try:
            return await shop.send(webhook_id="w-1")
        except grpc.aio.AioRpcError:
            return False

    await eventually(is_taken)
    assert len(await events(stream, shop)) == 1


async def test_a_process_that_died_before_it_noted_the_webhook_adds_the_same_event(
    platform: Platform, shop: Shop, stream: JetStreamContext
) -> None:
    await shop.send(webhook_id="w-1")
    with psycopg.connect(platform.settings.libpq_dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM shopify_deliveries WHERE tenant_id = %s", (shop.tenant_id,))
    await shop.send(webhook_id="w-1")
    first, second = await events(stream, shop)
    # The warehouse takes an event id once.
    assert first[5] == second[5]


async def test_the_secret_is_shown_to_nobody_and_holds_at_once(platform: Platform, shop: Shop) -> None:
    assert await shop.get() == "***"
    assert await shop.put("***") == "***"
    assert await shop.send(webhook_id="kept")
    assert await shop.put("another") == "***"
    with pytest.raises(grpc.aio.AioRpcError):
        await shop.send(body=body_of({**ORDER, "id": 2}))
    assert await shop.send(body=body_of({**ORDER, "id": 2}), secret="another")
    assert await shop.put(None) is None
    assert await shop.get() is None
    with pytest.raises(grpc.aio.AioRpcError):
        await shop.send(body=body_of({**ORDER, "id": 3}), secret="another")
    await shop.put(SECRET)
    assert SECRET not in platform.running.said()
    with psycopg.connect(platform.settings.libpq_dsn, autocommit=True) as connection:
        [(sealed,)] = connection.execute(
            "SELECT webhook_secret FROM shopify_integrations WHERE tenant_id = %s", (shop.tenant_id,)
        ).fetchall()
    assert SECRET.encode() not in sealed


@pytest.mark.parametrize("secret", ["", "x" * 257, "a\nb", 5, {"a": "b"}])
async def test_a_wrong_secret_is_refused_and_not_repeated(
    platform: Platform, channel: grpc.aio.Channel, secret: str | float | Mapping[str, object]
) -> None:
    shop = Shop(platform.settings, channel)
    for sent in (secret, "***"):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await shop.put(sent)
        trailers = dict(raised.value.trailing_metadata() or ())
        body: Mapping[str, object] = json.loads(trailers["x-http-body"])
        assert (trailers["x-http-code"], list(body)) == ("400", ["webhook_secret"])
        assert "xxxx" not in str(body)
    assert await shop.get() is None


async def test_what_is_older_than_a_month_is_forgotten(platform: Platform, shop: Shop) -> None:
    await shop.send("checkouts/create", body_of(CHECKOUT))
    await shop.send("orders/create", BODY)
    with psycopg.connect(platform.settings.libpq_dsn, autocommit=True) as connection:
        mine = f"WHERE tenant_id = {shop.tenant_id}"
        connection.execute(f"UPDATE shopify_checkouts SET received_at = now() - interval '31 days' {mine}")
        connection.execute(f"UPDATE shopify_deliveries SET received_at = now() - interval '29 days' {mine}")
        connection.execute("SET ROLE segops_app")
        connection.execute("SELECT forget_shopify(interval '30 days')")
        connection.execute("RESET ROLE")
        for table, count in (("shopify_checkouts", 0), ("shopify_deliveries", 2)):
            assert connection.execute(f"SELECT count(*) FROM {table} {mine}").fetchone() == (count,)


async def test_a_webhook_is_refused_while_postgresql_is_away(platform: Platform, shop: Shop) -> None:
    server = platform.running.find("postgres")
    assert server is not None
    server.kill()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shop.send(body=body_of({**ORDER, "id": 4}))
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    wait_for(platform.running.database)

    async def is_taken() -> bool:
        try:
            return await shop.send(body=body_of({**ORDER, "id": 4}))
        except grpc.aio.AioRpcError:
            return False

    await eventually(is_taken)
