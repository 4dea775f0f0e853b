"""Shopify's webhooks as events.

Source: Shopify's "Webhooks" reference, with its example payload of each topic.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from services.ingestion import bodies, times
from services.kit.errors import Invalid

Fields = Mapping[str, msgspec.Raw]

# What a checkout is known by, the best first. Since 2026-04 its webhooks have no `id`, and those of deleted ones have
# never had a `token`.
CHECKOUT_NAMES = ("id", "token", "cart_token")
# A reference is a key in the database; Shopify's have some 60 characters.
MAX_REFERENCE = 255

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_NULL = msgspec.Raw(b"null")
# Amounts are numbers in quotes, so that nobody rounds them.
_AMOUNT = re.compile(rb'"?(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)"?')


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """What becomes of the webhooks of a topic.

    `times` names the fields that say when it happened, the best first. `payload` takes the record and its customer.
    """

    event_type: str
    times: Sequence[str]
    payload: Callable[[Fields, Fields], Mapping[str, object]]
    is_customer: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """What a webhook tells.

    `user_id` is empty when it names no customer, `references` are those of its checkout, the best first.
    """

    event_type: str
    user_id: str
    references: Sequence[str]
    occurred_at: str | None
    payload: Mapping[str, object]

    def event(self, user_id: str, message_id: str) -> bytes:
        """The event, as a user's, as the compact JSON text of one."""
        return msgspec.json.encode(
            {
                "user_id": user_id,
                "event_type": self.event_type,
                "occurred_at": self.occurred_at,
                "payload": self.payload,
                "message_id": message_id,
            }
        )


def read_webhook(topic: Topic, body: bytes, triggered_at: str) -> Webhook:
    """The webhook in a body; `triggered_at` is what its header says. Raises Invalid for what is no JSON object."""
    try:
        record = _FIELDS.decode(bodies.compact(body))
    except msgspec.ValidationError as error:
        raise Invalid(detail="The body must be a JSON object.") from error
    customer = record if topic.is_customer else _object(record, "customer")
    return Webhook(
        event_type=topic.event_type,
        user_id=_email(record, customer) or _text(customer, "id"),
        references=[f"{name}:{text}"[:MAX_REFERENCE] for name in CHECKOUT_NAMES if (text := _text(record, name))],
        occurred_at=next((moment for name in topic.times if (moment := _text(record, name))), _time(triggered_at)),
        payload=topic.payload(record, customer),
    )


def _order(order: Fields, customer: Fields) -> Mapping[str, object]:
    return {
        "order_id": order.get("id"),
        "total": _amount(order, "total_price"),
        "currency": order.get("currency"),
        "item_count": _count(order, "line_items"),
        "email": _text(order, "email") or _email(order, customer) or None,
        "financial_status": order.get("financial_status"),
    }


def _customer(customer: Fields, _: Fields) -> Mapping[str, object]:
    names = ("email", "first_name", "last_name", "phone", "currency")
    return {"customer_id": customer.get("id"), **{name: customer.get(name) for name in names}}


def _checkout(checkout: Fields, customer: Fields) -> Mapping[str, object]:
    return {
        "checkout_id": checkout.get("id"),
        "token": checkout.get("token"),
        "cart_token": checkout.get("cart_token"),
        "total": _amount(checkout, "total_price"),
        "currency": checkout.get("currency", checkout.get("presentment_currency")),
        "item_count": _count(checkout, "line_items"),
        "email": _text(checkout, "email") or _email(checkout, customer) or None,
    }


CHECKOUT_STARTED = "checkout_started"
CHECKOUT_ABANDONED = "checkout_abandoned"

TOPICS = {
    "orders/create": Topic(event_type="order_placed", times=["created_at"], payload=_order),
    # An order can be paid long after it was processed.
    "orders/paid": Topic(event_type="order_paid", times=["updated_at", "processed_at"], payload=_order),
    "orders/cancelled": Topic(event_type="order_cancelled", times=["cancelled_at", "updated_at"], payload=_order),
    "customers/create": Topic(event_type="customer_created", times=["created_at"], payload=_customer, is_customer=True),
    "checkouts/create": Topic(event_type=CHECKOUT_STARTED, times=["created_at"], payload=_checkout),
    "checkouts/delete": Topic(event_type=CHECKOUT_ABANDONED, times=[], payload=_checkout),
}


def _email(record: Fields, customer: Fields) -> str:
    """The customer's, so that all of a customer's events are one user's, else the one that the record was made with."""
    return _text(customer, "email") or _text(record, "email") or _text(record, "contact_email")


def _text(fields: Fields, name: str) -> str:
    """A text, or a number as text; empty for what is neither."""
    raw = bytes(fields.get(name, _NULL))
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str)
    return raw.decode() if raw[:1].isdigit() else ""


def _object(fields: Fields, name: str) -> Fields:
    raw = fields.get(name, _NULL)
    return _FIELDS.decode(raw) if bytes(raw).startswith(b"{") else {}


def _amount(fields: Fields, name: str) -> msgspec.Raw:
    match = _AMOUNT.fullmatch(bytes(fields.get(name, _NULL)))
    return msgspec.Raw(match[1]) if match else _NULL


def _count(fields: Fields, name: str) -> int | None:
    raw = fields.get(name, _NULL)
    return len(_LIST.decode(raw)) if bytes(raw).startswith(b"[") else None


def _time(text: str) -> str | None:
    """The text when it is a time: headers are not signed."""
    try:
        times.parse_time(text)
    except ValueError:
        return None
    return text
