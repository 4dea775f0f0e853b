"""Why a user is in a segment, and what one more event would change (contract, section 6)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict
from segops_admin import SegOpsAdmin

from services.gen.segops.profiles.v1 import explain_pb2 as pb
from services.gen.segops.profiles.v1 import explain_pb2_grpc
from tests.e2e.account import Account, register
from tests.e2e.test_segments import compute, create, did, is_in, ok, wrong
from tests.running import Running, wait_for

DAY = timedelta(days=1)
ANN, BEN = "ann/1", "ben"
EVENTS = [
    ("order_placed", 40, {"total": 600.45, "currency": "EUR"}),
    ("order_placed", 2, {"total": "23", "currency": None}),
    ("order_paid", 1, {}),
    ("context_identified", 3, {"country": "DE", "tags": ["a", {"b": 1}], "plan": None}),
]


def conditions(vip: int) -> list[dict[str, Any]]:
    """One of every type."""
    order = {"event_type": "order_placed"}
    return [
        {"type": "event_count", **order, "operator": "gte", "value": 1, "window_days": 30},
        {"type": "recency", **order, "operator": "gt", "window_days": 30},
        {"type": "monetary", **order, "property": "total", "metric": "sum", "operator": "gte", "value": 500},
        {"type": "event_property", **order, "property": "currency", "operator": "is_set"},
        {"type": "user_property", "property": "country", "operator": "in", "value": ["DE", "AT"]},
        {"type": "event_sequence", "events": ["order_placed", "order_paid"], "window_days": 7},
        {"type": "segment_membership", "segment_id": vip, "operator": "in"},
    ]


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A tenant where Ann bought, paid and is a VIP, and Ben only looked."""

    account: Account
    now: datetime
    vip: int
    every: int

    def explain(self, user: str, segment: int, **query: str) -> Any:
        path = f"/api/explorer/users/{quote(user, safe='')}/segments/{segment}/explain/"
        return self.account.server.get(path, params=query)

    def publish(self, **event: Any) -> Any:
        return self.account.server.post("/api/explorer/sandbox/publish/", json=event)


@pytest.fixture(scope="module")
def shop(url: str) -> Iterator[Shop]:
    with register(url) as account:
        now = datetime.now(UTC)
        events: list[dict[str, Any]] = [
            {"user_id": ANN, "event_type": name, "payload": payload, "occurred_at": (now - days * DAY).isoformat()}
            for name, days, payload in EVENTS
        ]
        events.append({"user_id": BEN, "event_type": "looked", "occurred_at": (now - DAY).isoformat()})
        ok(account.server.post("/api/ingestion/track/batch/", json={"events": events}), 202)
        wait_for(lambda: ok(account.server.get("/api/explorer/users/"))["count"] == 2)
        vip = create(account, name="VIP", definition=did("order_paid"))["id"]
        compute(account, vip)
        every = create(account, name="All", definition={"logic": "AND", "conditions": conditions(vip)})["id"]
        yield Shop(account=account, now=now, vip=vip, every=every)


def test_a_members_conditions_say_what_was_asked_and_what_is_there(shop: Shop) -> None:
    items = ok(shop.explain(ANN, shop.every))
    assert [item["index"] for item in items] == list(range(7))
    assert [item["path"] for item in items] == [f"conditions[{index}]" for index in range(7)]
    assert [item["type"] for item in items] == [condition["type"] for condition in conditions(shop.vip)]
    days = items[1].pop("actual_value")
    assert 2 <= days < 2.1
    steps = items[5].pop("actual_value")
    assert [datetime.fromisoformat(step) for step in steps] == [_whole(shop.now - 2 * DAY), _whole(shop.now - DAY)]
    assert [(item["label"], item.get("actual_value"), item["threshold"], item["matches"]) for item in items] == [
        ("count(order_placed) in the last 30 days >= 1", 1, 1, True),
        ("last order_placed more than 30 days ago", None, 30, False),
        ("sum(order_placed.total) >= 500", 623.45, 500, True),
        ("currency of the latest order_placed is set", None, None, False),
        ("country of the user is one of DE, AT", "DE", ["DE", "AT"], True),
        ("order_placed then order_paid within 7 days", None, 7, True),
        ('in segment "VIP"', True, True, True),
    ]


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def test_the_evidence_are_the_events_that_decide(shop: Shop) -> None:
    stored = ok(shop.account.server.get("/api/explorer/users/ann%2F1/events/"))["results"]
    shown = [{key: event[key] for key in ("event_id", "event_type", "occurred_at")} for event in stored]
    paid, newer, identified, older = shown
    evidence = [item["evidence"] for item in ok(shop.explain(ANN, shop.every))]
    assert evidence == [
        {"count": 1, "events": [newer]},
        {"count": 1, "events": [newer]},
        {"count": 2, "events": [newer, older]},
        {"count": 1, "events": [newer]},
        {"count": 1, "events": [identified]},
        {"count": 2, "events": [newer, paid]},
        {"count": 0, "events": []},
    ]


def test_who_never_did_it_is_explained_as_well(shop: Shop) -> None:
    items = ok(shop.explain(BEN, shop.every))
    assert [item["actual_value"] for item in items] == [0, None, None, None, None, [], False]
    assert [item["matches"] for item in items] == [False] * 7
    assert all(item["evidence"] == {"count": 0, "events": []} for item in items)


@pytest.mark.parametrize("value", [None, True, "text", 1.5, ["a", {"b": None}], {"c": [1]}])
def test_a_property_is_shown_as_it_is_whatever_its_type(shop: Shop, value: object) -> None:
    user = f"has {value}"
    event = {"user_id": user, "event_type": "context_identified", "payload": {"p": value}}
    ok(shop.account.server.post("/api/ingestion/track/", json=event), 202)
    condition = {"type": "user_property", "property": "p", "operator": "is_set"}
    segment = create(shop.account, definition={"logic": "AND", "conditions": [condition]})["id"]
    wait_for(lambda: _properties(shop.account, user) == {"p": value})
    (item,) = ok(shop.explain(user, segment))
    assert (item["actual_value"], item["matches"], item["threshold"]) == (value, value is not None, None)


def _properties(account: Account, user: str) -> Any:
    answer = account.server.get(f"/api/explorer/users/{quote(user, safe='')}/")
    return answer.json().get("properties")


def test_a_past_time_is_explained_as_it_was_then(shop: Shop) -> None:
    # Nobody had been computed a VIP then.
    then = (shop.now - 2.5 * DAY).isoformat()
    items = ok(shop.explain(ANN, shop.every, at=then))
    assert [item["matches"] for item in items] == [False, True, True, True, True, False, False]
    assert [item["actual_value"] for item in items[2:]] == [600.45, "EUR", "DE", [_text(shop.now - 40 * DAY)], False]
    earlier = ok(shop.explain(ANN, shop.every, at=(shop.now - 3.5 * DAY).isoformat()))
    assert earlier[4]["actual_value"] is None
    assert ok(shop.explain(ANN, shop.every, at=(shop.now - 50 * DAY).isoformat()), 404) == {"detail": "Not found."}
    assert ok(shop.explain(ANN, shop.every, at="0001-01-01T00:00:00Z"), 404) == {"detail": "Not found."}


def _text(moment: datetime) -> str:
    return _whole(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("at", ["monday", "2100-01-01T00:00:00Z", "2026-02-30T00:00:00Z"])
def test_a_time_that_is_none_or_in_the_future_is_refused_by_name(shop: Shop, at: str) -> None:
    assert list(wrong(shop.explain(ANN, shop.every, at=at))) == ["at"]


def test_nested_conditions_count_on_and_have_their_path(shop: Shop) -> None:
    inner = {"logic": "OR", "conditions": [did("a")["conditions"][0], did("looked")["conditions"][0]]}
    definition = {"logic": "AND", "conditions": [inner, did("b")["conditions"][0]]}
    items = ok(shop.explain(BEN, create(shop.account, definition=definition)["id"]))
    assert [(item["index"], item["path"], item["matches"]) for item in items] == [
        (0, "conditions[0].conditions[0]", False),
        (1, "conditions[0].conditions[1]", True),
        (2, "conditions[1]", False),
    ]


def test_what_is_not_there_is_not_found(shop: Shop, stranger: Account) -> None:
    for answer in (
        shop.explain("nobody", shop.every),
        shop.explain(ANN, 2**31 - 1),
        stranger.server.get(f"/api/explorer/users/ben/segments/{shop.every}/explain/"),
    ):
        assert ok(answer, 404) == {"detail": "Not found."}
    empty = create(shop.account)["id"]
    assert ok(shop.explain(ANN, empty), 400) == {"detail": "The segment has no definition."}
    assert list(wrong(shop.explain("a\ab", shop.every))) == ["user_id"]
    assert list(wrong(shop.explain("x" * 257, shop.every))) == ["user_id"]


def test_all_ids_of_a_person_are_explained_as_one(url: str) -> None:
    with register(url) as account:
        shop = Shop(account=account, now=datetime.now(UTC), vip=0, every=0)
        events: list[dict[str, Any]] = [
            {"user_id": user, "event_type": "bought", "payload": {"total": total}}
            for user, total in (("anon_7", 4), ("zoe", 5), ("zoe", 6))
        ]
        events.append({"user_id": "anon_7", "event_type": "context_identified", "payload": {"plan": "pro"}})
        ok(account.server.post("/api/ingestion/track/batch/", json={"events": events}), 202)
        wait_for(lambda: ok(account.server.get("/api/explorer/users/"))["count"] == 2)
        wait_for(lambda: _properties(account, "anon_7") == {"plan": "pro"})
        total = {"type": "monetary", "event_type": "bought", "property": "total", "metric": "sum", "operator": "gte"}
        plan = {"type": "user_property", "property": "plan", "operator": "eq", "value": "pro"}
        rich = create(account, definition={"logic": "AND", "conditions": [total | {"value": 16}, plan]}, name="Rich")[
            "id"
        ]

        def values(user: str) -> list[Any]:
            return [item["actual_value"] for item in ok(shop.explain(user, rich))]

        assert (values("anon_7"), values("zoe")) == ([4, "pro"], [11, None])
        ok(account.server.post("/api/identity/alias/", json={"anonymous_id": "7", "user_id": "zoe"}))
        assert values("anon_7") == values("zoe") == [15, "pro"]
        for user in ("anon_7", "zoe"):
            result = ok(shop.publish(user_id=user, event_type="bought", payload={"total": 1}))
            assert _changes(result) == (["Rich"], [])


def _changes(result: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    return [one["name"] for one in result["entered"]], [one["name"] for one in result["exited"]]


def test_an_event_is_played_through_and_not_stored(url: str) -> None:
    with register(url) as account:
        shop = Shop(account=account, now=datetime.now(UTC), vip=0, every=0)
        ok(account.server.post("/api/ingestion/track/", json={"user_id": "u", "event_type": "seen"}), 202)
        wait_for(lambda: ok(account.server.get("/api/explorer/users/"))["count"] == 1)
        never = {"type": "event_count", "event_type": "bought", "operator": "lt", "value": 1}
        german = {"type": "user_property", "property": "country", "operator": "eq", "value": "DE"}
        buyers = create(account, name="Buyers", definition=did("bought"))["id"]
        for name, definition in (
            ("Twice", did("bought", 2)),
            ("Never", {"logic": "AND", "conditions": [never]}),
            ("Germans", {"logic": "AND", "conditions": [german]}),
            ("Refers", is_in(buyers)),
        ):
            create(account, name=name, definition=definition)
        create(account, name="Asleep", definition=did("bought"), is_active=False)
        create(account, name="Undefined")
        compute(account, buyers)
        before = ok(account.server.get("/api/ingestion/stats/"))["received"]

        bought = ok(shop.publish(user_id="u", event_type="bought"))
        assert bought == {
            "published": True,
            "entered": [{"id": buyers, "name": "Buyers"}],
            "exited": [{"id": bought["exited"][0]["id"], "name": "Never"}],
            "unchanged_count": 3,
        }
        identified = shop.publish(user_id="u", event_type="context_identified", payload={"country": "DE"})
        assert _changes(ok(identified)) == (["Germans"], [])
        # Whoever has no event is in nothing yet, not even among those who never did.
        assert _changes(ok(shop.publish(user_id="new", event_type="seen"))) == (["Never"], [])
        assert _changes(ok(shop.publish(user_id="u", event_type="seen"))) == ([], [])

        assert ok(account.server.get("/api/explorer/users/"))["count"] == 1
        assert ok(account.server.get("/api/explorer/users/u/events/"))["count"] == 1
        assert ok(account.server.get("/api/ingestion/stats/"))["received"] == before
        assert ok(account.server.get("/api/segments/membership/?user_id=u"))["segments"] == []


def test_an_event_that_is_known_already_would_change_nothing(shop: Shop) -> None:
    event = {"user_id": "once", "event_type": "order_paid", "message_id": "once"}
    assert _changes(ok(shop.publish(**event))) == (["VIP"], [])
    ok(shop.account.server.post("/api/ingestion/track/", json=event), 202)
    again = ok(shop.publish(**event, occurred_at="2026-01-01T00:00:00Z"))
    assert _changes(again) == ([], [])


def test_a_sandbox_checks_an_event_as_the_track_route_does(shop: Shop) -> None:
    properties = [{"name": "total", "type": "number", "required": True}]
    ok(shop.account.person.post("/api/schemas/", json={"event_type": "typed", "properties": properties}), 201)
    condition = {"type": "event_property", "event_type": "typed", "property": "total", "operator": "gt", "value": 4}
    create(shop.account, name="Typed", definition={"logic": "AND", "conditions": [condition]})
    for event in (
        {},
        {"user_id": 5, "event_type": "x" * 129, "occurred_at": "monday"},
        {"user_id": "u", "event_type": "typed", "payload": {"total": "much"}},
        {"user_id": "u", "event_type": "typed", "payload": []},
    ):
        refused = shop.account.server.post("/api/ingestion/track/", json=event)
        assert wrong(shop.publish(**event)) == wrong(refused)
    errors = ok(shop.account.server.get("/api/ingestion/errors/"))["count"]
    assert errors <= 4
    coerced = shop.publish(user_id="u", event_type="typed", payload={"total": "5"})
    assert "Typed" in _changes(ok(coerced))[0]
    text = shop.account.server.post("/api/explorer/sandbox/publish/", content=b"[]")
    assert ok(text, 400) == {"detail": "The body must be a JSON object."}


def test_segops_admin_explains_and_publishes(url: str, shop: Shop) -> None:
    admin = SegOpsAdmin(api_key=shop.account.key, base_url=f"{url}/api", max_retries=0)
    assert [item["index"] for item in admin.users.explain(ANN, shop.every)] == list(range(7))
    result = admin.users.publish_sandbox({"user_id": BEN, "event_type": "order_paid"})
    assert result["published"]
    assert {"id": shop.vip, "name": "VIP"} in result["entered"]


def test_both_are_there_over_grpc(platform: Running, shop: Shop) -> None:
    metadata = (("authorization", f"ApiKey {shop.account.key}"),)
    with grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}") as channel:
        stub: Any = explain_pb2_grpc.ExplainServiceStub(channel)
        request = pb.ExplainMembershipRequest(user_id=ANN, segment_id=shop.vip)
        (condition,) = stub.ExplainMembership(request, metadata=metadata)
        assert (condition.label, condition.matches) == ("count(order_paid) >= 1", True)
        body = HttpBody(content_type="application/json", data=b'{"user_id": "ben", "event_type": "order_paid"}')
        result = MessageToDict(stub.PublishSandbox(body, metadata=metadata), preserving_proto_field_name=True)
        assert {"id": shop.vip, "name": "VIP"} in result["entered"]
