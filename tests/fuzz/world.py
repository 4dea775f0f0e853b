"""What there is when the fuzzing begins: a tenant with one object of each kind, and a credential of each kind."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt

from tests.e2e.account import PASSWORD, new_slug, register
from tests.running import wait_for

DEFINITION = {
    "logic": "AND",
    "conditions": [{"type": "event_count", "event_type": "order_placed", "operator": "gte", "value": 1}],
}
USER = "user-123"
EVENTS = [
    {"user_id": USER, "event_type": "order_placed", "payload": {"total": 79.9}},
    {"user_id": USER, "event_type": "context_identified", "payload": {"country": "DE"}},
]
SHOP_SECRET = "the secret of the shop"
# Nobody listens on port 9, and nothing else than this machine is called.
RECEIVER = "http://127.0.0.1:9/hooks"


@dataclass(frozen=True, kw_only=True)
class World:
    """Credentials, and ids of objects that stay."""

    url: str
    email: str
    slug: str
    tenant_id: int
    # Slug of another tenant of the same person, with a shop.
    shop: str
    access: str
    key: str
    public_key: str
    # Of the keys above.
    key_ids: list[int]
    member: int
    member_access: str
    invitation: int
    # Computed; definitions may refer to `base`, which refers to none.
    segment: int
    base: int
    export: int
    connector: int
    webhook: int
    schema: int
    erasure: int

    def write(self, path: Path) -> None:
        """Saves it for another process."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "World":
        """What `write` saved."""
        return cls(**json.loads(path.read_text()))


def build(url: str) -> World:
    """A new world on the platform whose edge is at `url`."""
    with register(url) as owner:
        person, server = owner.person, owner.server
        public_key = sent(person, "/api/auth/api-keys/", name="page", key_type="public")["key"]
        member = new_member(person)
        segment, export = computed(server)
        return World(
            url=url,
            email=owner.email,
            slug=owner.slug,
            tenant_id=owner.tenant_id,
            shop=new_shop(person),
            access=owner.access,
            key=owner.key,
            public_key=public_key,
            key_ids=[key["id"] for key in person.get("/api/auth/api-keys/").json()["results"]],
            member=member_id(member),
            member_access=member,
            invitation=new_invitation(person)["id"],
            segment=segment,
            base=new_segment(server),
            export=export,
            connector=new_connector(server, segment),
            webhook=new_webhook(server),
            schema=new_schema(server, "typed"),
            erasure=int(server.delete("/api/explorer/users/erased@example.com/").json()["id"]),
        )


def computed(server: httpx.Client) -> tuple[int, int]:
    """The id of a new segment with a member, and that of its export."""
    sent(server, "/api/ingestion/track/batch/", events=EVENTS)
    wait_for(lambda: sent(server, "/api/segments/preview/", definition=DEFINITION)["matched_users"])
    segment = new_segment(server)
    sent(server, f"/api/segments/{segment}/compute/")
    wait_for(lambda: server.get(f"/api/segments/{segment}/").json()["status"] == "computed")
    export = int(sent(server, f"/api/segments/{segment}/export/", format="csv")["id"])
    path = f"/api/segments/{segment}/export/?export_id={export}"
    wait_for(lambda: server.get(path).json()["status"] == "complete")
    return segment, export


def new_refresh(stranger: httpx.Client) -> str:
    """The refresh token of a new person."""
    slug = new_slug()
    made = sent(
        stranger,
        "/api/auth/register/",
        email=f"{slug}@example.com",
        password=PASSWORD,
        tenant_name=slug,
        tenant_slug=slug,
    )
    return str(made["refresh"])


def new_tenant(person: httpx.Client) -> str:
    """The slug of another tenant of a person."""
    return str(sent(person, "/api/tenants/", name="Another", slug=new_slug())["slug"])


def new_shop(person: httpx.Client) -> str:
    """The slug of another tenant of a person, that takes the webhooks of a shop."""
    slug = new_tenant(person)
    person.put(
        "/api/integrations/shopify/", json={"webhook_secret": SHOP_SECRET}, headers={"X-Tenant-Slug": slug}
    ).raise_for_status()
    return slug


def new_invitation(person: httpx.Client) -> Any:
    """A new invitation to a person's tenant, as it is answered."""
    return sent(person, "/api/team/invitations/", email=f"{new_slug()}@example.com", role="member")


def new_member(person: httpx.Client) -> str:
    """The access token of a new member of a person's tenant."""
    token = new_invitation(person)["token"]
    return str(sent(person, "/api/team/invitations/accept/", token=token, password=PASSWORD)["access"])


def member_id(access: str) -> int:
    """The id of the person whose access token it is."""
    return int(jwt.decode(access, options={"verify_signature": False})["sub"])


def new_segment(server: httpx.Client) -> int:
    """The id of a new segment."""
    return int(sent(server, "/api/segments/", name="Buyers", definition=DEFINITION)["id"])


def new_connector(server: httpx.Client, segment: int) -> int:
    """The id of a new connector of a segment."""
    return int(sent(server, "/api/activations/", segment=segment, connector_type="file", config={})["id"])


def new_webhook(server: httpx.Client) -> int:
    """The id of a new webhook."""
    return int(sent(server, "/api/webhooks/", url=RECEIVER)["id"])


def new_schema(server: httpx.Client, event_type: str) -> int:
    """The id of a new schema."""
    properties = [{"name": "total", "type": "number"}]
    return int(sent(server, "/api/schemas/", event_type=event_type, properties=properties)["id"])


def sent(caller: httpx.Client, path: str, **body: object) -> Any:
    """The answer to a POST, which has to be a success."""
    answer = caller.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()
