"""Each of Shopify's documented webhooks is one event of its customer."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from services.ingestion.events import Event, parse_event
from services.ingestion.shopify_topics import TOPICS, Webhook, read_webhook
from services.kit.errors import Invalid
from tests.shopify_webhooks import CANCELLED, CHECKOUT, CUSTOMER, DELETED_CHECKOUT, ORDER, body_of

NOW = datetime(2022, 2, 1, tzinfo=UTC)


def read(topic: str, record: Mapping[str, object], triggered_at: str = "") -> Webhook:
    return read_webhook(TOPICS[topic], body_of(record), triggered_at)


def event_of(topic: str, record: Mapping[str, object], triggered_at: str = "") -> Event:
    """The event as it is stored."""
    webhook = read(topic, record, triggered_at)
    return parse_event(webhook.event(webhook.user_id, "an-id"), NOW)


@pytest.mark.parametrize(
    ("topic", "record", "event_type", "occurred_at", "financial_status"),
    [
        ("orders/create", ORDER, "order_placed", "2022-01-01 00:00:00.000", "pending"),
        ("orders/paid", {**ORDER, "financial_status": "paid"}, "order_paid", "2022-01-02 14:30:00.000", "paid"),
        ("orders/cancelled", CANCELLED, "order_cancelled", "2022-01-03 15:00:00.000", "voided"),
    ],
)
def test_an_order(
    topic: str, record: Mapping[str, object], event_type: str, occurred_at: str, financial_status: str
) -> None:
    event = event_of(topic, record)
    assert (event.user_id, event.event_type, event.occurred_at) == ("john@example.com", event_type, occurred_at)
    assert json.loads(event.payload) == {
        "order_id": 820982911946154508,
        "total": 388.0,
        "currency": "USD",
        "item_count": 2,
        "email": "jon@example.com",
        "financial_status": financial_status,
    }


def test_a_customer() -> None:
    event = event_of("customers/create", CUSTOMER)
    assert (event.user_id, event.event_type) == ("bob@biller.com", "customer_created")
    assert event.occurred_at == "2022-01-01 00:00:00.000"
    assert json.loads(event.payload) == {
        "customer_id": 706405506930370084,
        "email": "bob@biller.com",
        "first_name": "Bob",
        "last_name": "Biller",
        "phone": None,
        "currency": "USD",
    }


def test_a_checkout() -> None:
    event = event_of("checkouts/create", CHECKOUT)
    assert (event.user_id, event.event_type) == ("john@example.com", "checkout_started")
    assert json.loads(event.payload) == {
        "checkout_id": 981820079255243537,
        "token": "123123123",
        "cart_token": "eeafa272cebfd4b22385bc4b645e762c",
        "total": 421.88,
        "currency": "USD",
        "item_count": 1,
        "email": "example@email.com",
    }


def test_a_deleted_checkout_names_nobody_but_what_it_is_known_by() -> None:
    webhook = read("checkouts/delete", DELETED_CHECKOUT, "2022-01-05T08:00:00.123456789Z")
    assert webhook.user_id == ""
    assert webhook.references == ["id:981820079255243537", "cart_token:eeafa272cebfd4b22385bc4b645e762c"]
    event = parse_event(webhook.event("john@example.com", "an-id"), NOW)
    assert (event.event_type, event.occurred_at) == ("checkout_abandoned", "2022-01-05 08:00:00.123")
    payload = json.loads(event.payload)
    assert (payload["total"], payload["currency"], payload["item_count"]) == (421.88, "USD", None)


@pytest.mark.parametrize("triggered_at", ["", "yesterday", "\x00"])
def test_a_time_that_is_none_is_not_believed(triggered_at: str) -> None:
    assert read("checkouts/delete", DELETED_CHECKOUT, triggered_at).occurred_at is None


def test_amounts_keep_their_text_and_ids_their_digits() -> None:
    event = event_of("orders/create", {**ORDER, "total_price": "1234567890123456.10"})
    assert '"total":1234567890123456.10,' in event.payload
    assert '"order_id":820982911946154508,' in event.payload


@pytest.mark.parametrize("amount", [None, "", "12,00", "NaN", "1e999", [], {"a": 1}, True])
def test_an_amount_that_is_none_is_null(amount: object) -> None:
    assert json.loads(event_of("orders/create", {**ORDER, "total_price": amount}).payload)["total"] is None


@pytest.mark.parametrize(
    ("record", "user_id"),
    [
        ({"customer": {"id": 7, "email": "a@example.com"}, "email": "b@example.com"}, "a@example.com"),
        ({"customer": {"id": 7, "email": None}, "email": "b@example.com"}, "b@example.com"),
        ({"customer": None, "email": "", "contact_email": "c@example.com"}, "c@example.com"),
        ({"customer": {"id": 115310627314723954}}, "115310627314723954"),
        ({"customer": {"email": ["a"], "id": {}}, "email": 0}, "0"),
        ({"customer": []}, ""),
        ({}, ""),
    ],
)
def test_whose_an_order_is(record: Mapping[str, object], user_id: str) -> None:
    assert read("orders/create", record).user_id == user_id


def test_a_guest_without_an_address_has_no_valid_event() -> None:
    with pytest.raises(Invalid) as raised:
        event_of("orders/create", {**ORDER, "customer": None, "email": "", "contact_email": None})
    assert raised.value.fields.keys() == {"user_id"}


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'"text"', b"5", b'{"id": "\xff"}'])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        read_webhook(TOPICS["orders/create"], body, "")
