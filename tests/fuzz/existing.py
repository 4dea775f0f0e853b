"""What no schema says: which objects are there, which names are new, and what belongs together."""

import itertools
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.account import PASSWORD, client, new_key
from tests.fuzz import world
from tests.fuzz.world import RECEIVER, USER, World
from tests.shopify_webhooks import signature

WORLD = World.read(Path(os.environ["FUZZ_WORLD"]))
PERSON = client(WORLD.url, f"Bearer {WORLD.access}")
SERVER = client(WORLD.url, f"ApiKey {WORLD.key}")
PAGE = client(WORLD.url, f"ApiKey {WORLD.public_key}")
MEMBER = client(WORLD.url, f"Bearer {WORLD.member_access}")
STRANGER = client(WORLD.url)

TIME = "2026-04-25T14:32:00Z"
RUN = secrets.token_hex(3)
numbers = itertools.count(1)


def new(text: str) -> str:
    """A text that was not used before."""
    return f"{text}-{RUN}-{next(numbers)}"


# What is in the variable of these paths: what stays, and how to make one that does not.
OBJECTS: dict[str, tuple[int | str, Callable[[], int | str]]] = {
    "/api/segments/exports/{id}/": (WORLD.export, lambda: WORLD.export),
    "/api/segments/{id}/": (WORLD.segment, lambda: world.new_segment(SERVER)),
    "/api/activations/{id}/": (WORLD.connector, lambda: world.new_connector(SERVER, WORLD.segment)),
    "/api/connectors/{id}/": (WORLD.connector, lambda: world.new_connector(SERVER, WORLD.segment)),
    "/api/webhooks/{id}/": (WORLD.webhook, lambda: world.new_webhook(SERVER)),
    "/api/schemas/{id}/": (WORLD.schema, lambda: world.new_schema(SERVER, new("typed"))),
    "/api/auth/api-keys/{id}/": (0, lambda: int(new_key(PERSON)["id"])),
    "/api/team/members/{id}/": (WORLD.member, lambda: world.member_id(world.new_member(PERSON))),
    "/api/team/invitations/{id}/": (WORLD.invitation, lambda: int(world.new_invitation(PERSON)["id"])),
    "/api/explorer/users/{user_id}/": (USER, lambda: new("user")),
    "/api/explorer/erasures/{id}/": (WORLD.erasure, lambda: WORLD.erasure),
    "/api/ingestion/shopify/{tenant_slug}/": (WORLD.shop, lambda: WORLD.shop),
}
# Nothing changes or deletes these.
KEPT = {str(stays) for stays, _ in OBJECTS.values()} | {str(key) for key in WORLD.key_ids} | {str(WORLD.base)}

# Fields that have to be new, or have to be what is there, by operation and field.
FIELDS: dict[tuple[str, str], Callable[[], Any]] = {
    ("Register", "tenant_slug"): lambda: new("fuzz"),
    ("Register", "email"): lambda: f"{new('fuzz')}@example.com",
    ("Register", "password"): lambda: PASSWORD,
    ("CreateToken", "email"): lambda: WORLD.email,
    ("CreateToken", "password"): lambda: PASSWORD,
    ("CreateToken", "tenant_slug"): lambda: WORLD.slug,
    ("RefreshToken", "refresh"): lambda: world.new_refresh(STRANGER),
    ("AcceptInvitation", "token"): lambda: world.new_invitation(PERSON)["token"],
    ("AcceptInvitation", "password"): lambda: PASSWORD,
    ("Invite", "email"): lambda: f"{new('fuzz')}@example.com",
    ("CreateTenant", "slug"): lambda: new("fuzz"),
    ("TransferOwnership", "user_id"): lambda: WORLD.member,
    ("UpdateCurrentTenant", "invitation_domains"): lambda: [f"{new('shop')}.example.com"],
    ("CreateApiKey", "tenant_slug"): lambda: WORLD.slug,
    # Of the type that the connectors here have.
    ("UpdateActivation", "config"): lambda: {"name": new("list")},
    ("UpdateActivation2", "config"): lambda: {"name": new("list")},
    **{(name, "event_type"): lambda: new("type") for name in ("CreateSchema", "ReplaceSchema", "UpdateSchema")},
}
FIELDS_EVERYWHERE: dict[str, Callable[[], Any]] = {
    "tenant": lambda: WORLD.tenant_id,
    "segment": lambda: WORLD.segment,
    "segment_id": lambda: WORLD.base,
    **dict.fromkeys(("url", "rest_endpoint", "base_url", "endpoint"), lambda: RECEIVER),
    **dict.fromkeys(("as_of", "at", "since", "until", "occurred_at", "timestamp", "from", "to"), lambda: TIME),
    "cursor": lambda: "",
}


def put_fields(value: Any, operation: str) -> None:
    """Puts into a body or a query, at any depth, what exists in the place of what was made up."""
    if isinstance(value, list):
        for item in value:
            put_fields(item, operation)
    elif isinstance(value, dict):
        for name, item in value.items():
            put = FIELDS.get((operation, name)) or FIELDS_EVERYWHERE.get(name)
            if put and item is not None:
                value[name] = put()
            else:
                put_fields(item, operation)


def sign(request: Any) -> Any:
    """Signs a webhook of the shop as it goes out."""
    request.headers["X-Shopify-Hmac-SHA256"] = signature(world.SHOP_SECRET, request.body or b"")
    return request
