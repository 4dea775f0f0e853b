"""Webhooks through the edge: made with a key, told of a real compute, verified with the published client."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from segops_admin.webhook import verify_webhook

from tests.e2e.account import Account
from tests.e2e.segopsctl import segopsctl
from tests.e2e.test_segments import compute, create, did, ok, wrong
from tests.running import Running, wait_for
from tests.standins.mischief import Fault, Mischief
from tests.standins.receiver import Receiver
from tests.standins.server import Request, Response, serving

SECRET = "päss-wörd"
WHOLE_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
DONE, REFUSED, MISSING = 0, 1, 3


class Inbox(Receiver):
    """Keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(secret=SECRET)
        self.received: list[Request] = []

    def answer(self, request: Request) -> Response:
        self.received.append(request)
        return super().answer(request)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with serving(Inbox()) as inbox:
        yield inbox


@pytest.fixture
def buyers(owner: Account) -> int:
    """A segment of all who bought; its id."""
    return int(create(owner, name="Buyers", definition=did("bought"))["id"])


def deliveries(owner: Account, webhook_id: int, count: int) -> list[dict[str, Any]]:
    """A webhook's deliveries once there are so many and none is pending."""

    def settled() -> list[dict[str, Any]] | None:
        page = ok(owner.person.get(f"/api/webhooks/{webhook_id}/deliveries/"))
        done = page["count"] == count and all(one["status"] != "pending" for one in page["results"])
        return page["results"] if done else None

    return wait_for(settled)


def test_a_webhook_is_told_of_each_compute(owner: Account, inbox: Inbox, buyers: int) -> None:
    made = ok(owner.server.post("/api/webhooks/", json={"url": inbox.url, "secret": SECRET, "description": "d"}), 201)
    assert made == {
        "id": made["id"],
        "url": inbox.url,
        "description": "d",
        "is_active": True,
        "created_at": made["created_at"],
        "has_secret": True,
    }
    assert WHOLE_SECONDS.fullmatch(made["created_at"])
    computed = compute(owner, buyers)
    (delivery,) = deliveries(owner, made["id"], 1)
    (received,) = inbox.received
    assert verify_webhook(received.body, received.headers["x-segops-signature"], SECRET)
    assert json.loads(received.body) == {
        "event": "segment.recomputed",
        "tenant_slug": owner.slug,
        "segment_id": buyers,
        "segment_name": "Buyers",
        "member_count": 0,
        "computed_at": computed["last_computed_at"],
    }
    assert delivery == {
        "id": received.headers["x-segops-delivery"],
        "event": "segment.recomputed",
        "segment_id": buyers,
        "status": "delivered",
        "attempts": 1,
        "response_status": 200,
        "error": None,
        "created_at": delivery["created_at"],
        "delivered_at": delivery["delivered_at"],
        "next_attempt_at": None,
    }
    assert WHOLE_SECONDS.fullmatch(delivery["delivered_at"])
    compute(owner, buyers)
    deliveries(owner, made["id"], 2)
    assert len(inbox.deliveries) == 2


def test_a_webhook_is_changed_and_deleted(owner: Account, stranger: Account, inbox: Inbox) -> None:
    made = ok(owner.person.post("/api/webhooks/", json={"url": inbox.url}), 201)
    one = f"/api/webhooks/{made['id']}/"
    assert made["has_secret"] is False
    assert ok(owner.person.get("/api/webhooks/")) == {"count": 1, "next": None, "previous": None, "results": [made]}
    paused = ok(owner.person.patch(one, json={"is_active": False, "secret": SECRET}))
    assert paused == made | {"is_active": False, "has_secret": True}
    assert ok(owner.person.put(one, json={"url": f"{inbox.url}/2"})) == made | {
        "url": f"{inbox.url}/2",
        "has_secret": True,
    }
    for answer in (
        stranger.person.get(one),
        stranger.person.patch(one, json={"is_active": False}),
        stranger.person.get(f"{one}deliveries/"),
        stranger.person.delete(one),
    ):
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
    assert owner.person.delete(one).status_code == 204
    assert owner.person.get(one).status_code == 404


def test_every_wrong_field_of_a_webhook_is_in_one_answer(owner: Account) -> None:
    assert wrong(owner.person.post("/api/webhooks/", json={})) == {"url": ["This field is required."]}
    body = {"url": "https://10.0.0.1/", "secret": "s" * 300, "description": "d" * 3_000}
    assert wrong(owner.person.post("/api/webhooks/", json=body)).keys() == body.keys()
    for url in ("http://example.com/", "https://localhost.localdomain:0/", "https://169.254.169.254/", "x"):
        assert wrong(owner.person.post("/api/webhooks/", json={"url": url})).keys() == {"url"}
    assert owner.person.post("/api/webhooks/", json={"url": 7}).status_code == 400


def test_an_operator_lists_deliveries_and_sends_one_again(
    platform: Running, owner: Account, inbox: Inbox, buyers: int
) -> None:
    inbox.mischief = Mischief()
    inbox.mischief.then(Fault.DROP_BEFORE)
    made = ok(owner.server.post("/api/webhooks/", json={"url": inbox.url, "secret": SECRET}), 201)
    compute(owner, buyers)
    (delivery,) = deliveries(owner, made["id"], 1)
    assert delivery["attempts"] == 2
    of_tenant = ("--tenant", owner.slug)
    listed = segopsctl(platform, "webhooks", "deliveries", str(made["id"]), "--json", *of_tenant)
    assert listed.returncode == DONE, listed.stderr
    assert [one["id"] for one in json.loads(listed.stdout)] == [delivery["id"]]
    asked = segopsctl(platform, "webhooks", "redeliver", delivery["id"], "--json", *of_tenant)
    assert asked.returncode == DONE, asked.stderr
    assert json.loads(asked.stdout)["id"] == delivery["id"]
    wait_for(lambda: inbox.repeated == 1)
    (again,) = deliveries(owner, made["id"], 1)
    assert (again["id"], again["status"]) == (delivery["id"], "delivered")
    table = segopsctl(platform, "webhooks", "deliveries", str(made["id"]), *of_tenant)
    assert delivery["id"] in table.stdout


def test_segopsctl_says_why_a_delivery_cannot_be_sent_again(
    platform: Running, owner: Account, stranger: Account, inbox: Inbox, buyers: int
) -> None:
    made = ok(owner.server.post("/api/webhooks/", json={"url": inbox.url, "secret": SECRET}), 201)
    compute(owner, buyers)
    (delivery,) = deliveries(owner, made["id"], 1)
    ok(owner.server.patch(f"/api/webhooks/{made['id']}/", json={"is_active": False}))
    for delivery_id, slug, code, reason in (
        (delivery["id"], owner.slug, REFUSED, "The webhook is not active."),
        ("seven", owner.slug, REFUSED, "delivery_id: must be a UUID"),
        (delivery["id"], stranger.slug, MISSING, "Not found."),
        (delivery["id"], "nobody", MISSING, "There is no tenant 'nobody'."),
    ):
        ended = segopsctl(platform, "webhooks", "redeliver", delivery_id, "--tenant", slug)
        assert (ended.returncode, ended.stderr.strip(), ended.stdout) == (code, reason, "")
    ended = segopsctl(platform, "webhooks", "deliveries", str(made["id"]), "--tenant", stranger.slug)
    assert (ended.returncode, ended.stderr.strip()) == (MISSING, "Not found.")
