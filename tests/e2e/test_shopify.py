"""A shop's webhooks through the edge: believed for their signature, taken once, and each in the warehouse."""

import gzip
import json

import httpx
import pytest

from tests.e2e.account import Account
from tests.e2e.test_error_shapes import error_of
from tests.running import Running, wait_for
from tests.shopify_webhooks import CANCELLED, CHECKOUT, CUSTOMER, DELETED_CHECKOUT, ORDER, body_of, signature

SECRET = "the-secret-of-this-shop"
SETTINGS = "/api/integrations/shopify/"


@pytest.fixture
def shop(owner: Account) -> Account:
    """A tenant whose shop signs with SECRET."""
    assert owner.person.put(SETTINGS, json={"webhook_secret": SECRET}).json() == {"webhook_secret": "***"}
    return owner


def send(http: httpx.Client, slug: str, topic: str, body: bytes, **headers: str) -> httpx.Response:
    """Sends a webhook as Shopify does, with other headers where they are given."""
    sent = {
        "content-type": "application/json",
        "x-shopify-hmac-sha256": signature(SECRET, body),
        "x-shopify-topic": topic,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return http.post(f"/api/ingestion/shopify/{slug}/", content=body, headers=sent)


def test_every_topic_is_an_event(http: httpx.Client, shop: Account) -> None:
    sent = [
        ("customers/create", CUSTOMER),
        ("checkouts/create", CHECKOUT),
        ("checkouts/delete", DELETED_CHECKOUT),
        ("orders/create", ORDER),
        ("orders/paid", {**ORDER, "financial_status": "paid"}),
        ("orders/cancelled", CANCELLED),
    ]
    for number, (topic, record) in enumerate(sent):
        for queued in (True, False):
            answer = send(http, shop.slug, topic, body_of(record), x_shopify_webhook_id=f"w-{number}")
            assert (answer.status_code, answer.json()) == (200, {"queued": queued})
    wait_for(lambda: _events(shop, "john@example.com") >= 5)
    assert _events(shop, "john@example.com") == 5
    page = shop.server.get("/api/explorer/users/john@example.com/events/").json()
    by_type = {event["event_type"]: event for event in page["results"]}
    assert by_type.keys() == {
        "checkout_started",
        "checkout_abandoned",
        "order_placed",
        "order_paid",
        "order_cancelled",
    }
    paid = by_type["order_paid"]["payload"]
    assert (paid["total"], paid["item_count"], paid["financial_status"]) == (388.0, 2, "paid")
    assert _events(shop, "bob@biller.com") == 1


def test_the_signature_is_that_of_the_bytes_as_they_were_sent(http: httpx.Client, shop: Account) -> None:
    body = json.dumps({**ORDER, "note": "Älice \U0001f6d2"}, ensure_ascii=False, indent=2).encode()
    assert send(http, shop.slug, "orders/create", body).json() == {"queued": True}
    packed = gzip.compress(body_of(CUSTOMER))
    headers = {"x_shopify_hmac_sha256": signature(SECRET, body_of(CUSTOMER)), "content_encoding": "gzip"}
    assert send(http, shop.slug, "customers/create", packed, **headers).json() == {"queued": True}


def test_all_who_are_not_the_shop_get_the_same_answer(http: httpx.Client, shop: Account, stranger: Account) -> None:
    body = body_of(ORDER)
    answers = [
        send(http, shop.slug, "orders/create", body, x_shopify_hmac_sha256="wrong"),
        send(http, shop.slug, "orders/create", body, x_shopify_hmac_sha256=""),
        send(http, stranger.slug, "orders/create", body),
        send(http, "no-such-tenant", "orders/create", body),
        send(http, shop.slug, "orders/create", b"{", x_shopify_hmac_sha256="wrong"),
        http.post(f"/api/ingestion/shopify/{shop.slug}/", json={}),
    ]
    assert {str(error_of(answer, 401)) for answer in answers} == {str(error_of(answers[0], 401))}


def test_a_signed_body_that_is_no_json_is_400(http: httpx.Client, shop: Account) -> None:
    for body in (b"{", b"", b"[]", b"\xff"):
        error_of(send(http, shop.slug, "orders/create", body), 400)
    assert send(http, shop.slug, "products/update", b"{").json() == {"queued": False}


def test_the_secret_is_set_kept_and_taken_away(platform: Running, http: httpx.Client, shop: Account) -> None:
    assert shop.server.get(SETTINGS).json() == {"webhook_secret": "***"}
    assert shop.server.put(SETTINGS, json={"webhook_secret": "***"}).json() == {"webhook_secret": "***"}
    assert send(http, shop.slug, "orders/create", body_of(ORDER)).status_code == 200
    for wrong in ({}, {"webhook_secret": ""}, {"webhook_secret": 5}, {"webhook_secret": ["a"]}):
        assert error_of(shop.server.put(SETTINGS, json=wrong), 400).keys() == {"webhook_secret"}
    assert shop.server.put(SETTINGS, json={"webhook_secret": None}).json() == {"webhook_secret": None}
    assert shop.server.get(SETTINGS).json() == {"webhook_secret": None}
    error_of(send(http, shop.slug, "orders/create", body_of(ORDER)), 401)
    error_of(http.get(SETTINGS), 401)
    logs = platform.settings.home / "log"
    assert not [path for path in logs.iterdir() if SECRET in path.read_text()]


def _events(account: Account, user_id: str) -> int:
    answer = account.server.get(f"/api/explorer/users/{user_id}/")
    return int(answer.json()["event_count"]) if answer.status_code == 200 else 0
