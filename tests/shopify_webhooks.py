"""Webhooks as a shop sends them: the shapes of Shopify's published examples, shortened, and how they are signed."""

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping

CUSTOMER: Mapping[str, object] = {
    "id": 706405506930370084,
    "email": "bob@biller.com",
    "created_at": "2021-12-31T19:00:00-05:00",
    "updated_at": "2021-12-31T19:00:00-05:00",
    "first_name": "Bob",
    "last_name": "Biller",
    "state": "disabled",
    "note": "This customer loves ice cream",
    "verified_email": True,
    "multipass_identifier": None,
    "tax_exempt": False,
    "phone": None,
    "currency": "USD",
    "addresses": [],
    "admin_graphql_api_id": "gid://shopify/Customer/706405506930370084",
}

ORDER: Mapping[str, object] = {
    "id": 820982911946154508,
    "admin_graphql_api_id": "gid://shopify/Order/820982911946154508",
    "cancel_reason": None,
    "cancelled_at": None,
    "cart_token": None,
    "checkout_token": None,
    "contact_email": "jon@example.com",
    "created_at": "2021-12-31T19:00:00-05:00",
    "currency": "USD",
    "current_total_price": "398.00",
    "email": "jon@example.com",
    "financial_status": "pending",
    "fulfillment_status": None,
    "name": "#9999",
    "processed_at": "2021-12-31T19:00:00-05:00",
    "total_price": "388.00",
    "total_price_set": {"shop_money": {"amount": "388.00", "currency_code": "USD"}},
    "updated_at": "2022-01-02T09:30:00-05:00",
    "customer": {**CUSTOMER, "id": 115310627314723954, "email": "john@example.com"},
    "line_items": [
        {"id": 866550311766439020, "quantity": 1, "price": "199.00", "title": "IPod Nano - 8GB"},
        {"id": 141249953214522974, "quantity": 2, "price": "199.00", "title": "IPod Nano - 8GB"},
    ],
}

CANCELLED: Mapping[str, object] = {
    **ORDER,
    "cancel_reason": "customer",
    "cancelled_at": "2022-01-03T10:00:00-05:00",
    "financial_status": "voided",
}

CHECKOUT: Mapping[str, object] = {
    "id": 981820079255243537,
    "token": "123123123",
    "cart_token": "eeafa272cebfd4b22385bc4b645e762c",
    "email": "example@email.com",
    "gateway": None,
    "buyer_accepts_marketing": False,
    "created_at": "2021-12-31T19:00:00-05:00",
    "updated_at": "2021-12-31T19:00:00-05:00",
    "currency": "USD",
    "completed_at": None,
    "line_items": [{"key": "139cb5712fb4c8d9957dcfad9a3028da", "quantity": 1, "price": "199.00"}],
    "name": "#981820079255243537",
    "presentment_currency": "USD",
    "total_line_items_price": "398.00",
    "total_price": "421.88",
    "subtotal_price": "398.00",
    "customer": {**CUSTOMER, "id": 603851970716743426, "email": "john@example.com"},
}

# Nothing in it says whose it was.
DELETED_CHECKOUT: Mapping[str, object] = {
    "id": 981820079255243537,
    "presentment_currency": "USD",
    "buyer_accepts_sms_marketing": False,
    "sms_marketing_phone": None,
    "total_discounts": "0.00",
    "total_line_items_price": "398.00",
    "total_price": "421.88",
    "total_tax": "23.88",
    "subtotal_price": "398.00",
    "cart_token": "eeafa272cebfd4b22385bc4b645e762c",
    "total_duties": None,
    "reservation_token": None,
}


def body_of(record: Mapping[str, object]) -> bytes:
    """A body as it is sent."""
    return json.dumps(record).encode()


def signature(secret: str, body: bytes) -> str:
    """What X-Shopify-Hmac-SHA256 is."""
    return b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
