"""What a client of the segments API gets: names, nulls, numbers, times and errors (contract, sections 1 and 4)."""

import re
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.gen.segops.segments.v1 import segments_pb2_grpc
from tests.e2e.account import Account, register
from tests.running import Running, wait_for

WHOLE_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
JSON = {"content-type": "application/json"}


def did(event_type: str, times: int = 1) -> dict[str, Any]:
    condition = {"type": "event_count", "event_type": event_type, "operator": "gte", "value": times}
    return {"logic": "AND", "conditions": [condition]}


def is_in(segment_id: int) -> dict[str, Any]:
    condition = {"type": "segment_membership", "segment_id": segment_id, "operator": "in"}
    return {"logic": "AND", "conditions": [condition]}


def ok(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def wrong(answer: httpx.Response) -> dict[str, list[str]]:
    """The field errors of an answer."""
    fields: dict[str, list[str]] = ok(answer, 400)
    assert all(isinstance(texts, list) for texts in fields.values())
    return fields


def create(account: Account, **fields: Any) -> Any:
    return ok(account.server.post("/api/segments/", json={"name": "A segment"} | fields), 201)


def compute(account: Account, segment_id: int) -> Any:
    """The segment after a compute."""
    path = f"/api/segments/{segment_id}/"
    assert ok(account.server.post(f"{path}compute/"), 202) == {"status": "queued"}

    def computed() -> Any:
        segment = ok(account.server.get(path))
        return None if segment["status"] == "computing" else segment

    segment = wait_for(computed)
    assert segment["status"] == "computed", segment
    return segment


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """A tenant where `a` and `b` bought, `b` twice, and `c` left."""
    with register(url) as account:
        events = [
            {"user_id": user, "event_type": event_type, "occurred_at": f"2026-01-0{day}T10:00:00Z"}
            for user, event_type, day in (("a", "bought", 1), ("b", "bought", 2), ("b", "bought", 4), ("c", "left", 3))
        ]
        ok(account.server.post("/api/ingestion/track/batch/", json={"events": events}), 202)
        wait_for(lambda: ok(account.server.get("/api/explorer/users/"))["count"] == 3)
        yield account


@pytest.fixture(scope="module")
def buyers(owner: Account) -> dict[str, Any]:
    """A computed segment of `a` and `b`."""
    segment: dict[str, Any] = compute(owner, create(owner, name="Buyers", definition=did("bought"))["id"])
    return segment


def test_a_segment_has_the_fields_of_the_contract_with_nulls_and_numbers(owner: Account) -> None:
    made = create(owner)
    times = [made.pop("created_at"), made.pop("updated_at")]
    assert all(WHOLE_SECONDS.fullmatch(time) for time in times)
    assert isinstance(made.pop("id"), int)
    assert made == {
        "name": "A segment",
        "tenant": owner.tenant_id,
        "segment_type": "rule",
        "description": "",
        "definition": None,
        "status": "draft",
        "is_active": True,
        "member_count": 0,
        "last_computed_at": None,
        "last_error": None,
        "version": 0,
        "refresh_minutes": None,
    }


def test_members_and_memberships_say_when_and_since_when(owner: Account, buyers: dict[str, Any]) -> None:
    at = buyers["last_computed_at"]
    assert WHOLE_SECONDS.fullmatch(at)
    page = ok(owner.server.get(f"/api/segments/{buyers['id']}/members/?limit=1"))
    assert page["results"] == [{"user_id": "a", "computed_at": at, "entered_at": at}]
    assert page["count"] == 2
    rest = ok(owner.server.get(f"/api/segments/{buyers['id']}/members/?cursor={page['next_cursor']}"))
    assert ([member["user_id"] for member in rest["results"]], rest["next_cursor"]) == (["b"], None)
    mine = ok(owner.server.get(f"/api/segments/membership/?user_id=a&segment_id={buyers['id']}"))
    entry = {"segment_id": buyers["id"], "segment_name": "Buyers", "computed_at": at, "entered_at": at}
    assert mine == {"user_id": "a", "segments": [entry]}


def test_many_memberships_come_in_the_order_asked(owner: Account, buyers: dict[str, Any]) -> None:
    users = ["b", "nobody", "a/ü", "a", "b"]
    results = ok(owner.server.post("/api/segments/membership/", json={"user_ids": users}))["results"]
    assert [result["user_id"] for result in results] == users
    assert [bool(result["segments"]) for result in results] == [True, False, False, True, True]
    assert results[3] == ok(owner.server.get("/api/segments/membership/?user_id=a"))


@pytest.mark.parametrize(
    ("user_ids", "texts"),
    [
        ([], ["must hold 1 to 500 user ids, not 0"]),
        (None, ["must hold 1 to 500 user ids, not 0"]),
        (["u"] * 501, ["must hold 1 to 500 user ids, not 501"]),
        (
            ["", "u", "a\nb", "x" * 257],
            [
                "[0]: This field is required.",
                "[2]: Control characters are not allowed.",
                "[3]: Use 256 characters or fewer.",
            ],
        ),
    ],
)
def test_wrong_user_ids_are_named_by_their_place(owner: Account, user_ids: object, texts: list[str]) -> None:
    answer = owner.server.post("/api/segments/membership/", json={"user_ids": user_ids})
    assert wrong(answer) == {"user_ids": texts}


def test_versions_are_the_definitions_newest_first(owner: Account) -> None:
    segment = create(owner, definition=did("bought"))
    path = f"/api/segments/{segment['id']}/"
    ok(owner.server.patch(path, json={"definition": did("left")}))
    ok(owner.person.patch(path, json={"definition": None}))
    ok(owner.server.patch(path, json={"name": "renamed"}))
    page = ok(owner.server.get(f"{path}versions/"))
    assert (page["count"], page["next"], page["previous"]) == (3, None, None)
    assert [(item["version"], item["definition"]) for item in page["results"]] == [
        (3, None),
        (2, did("left")),
        (1, did("bought")),
    ]
    assert all(WHOLE_SECONDS.fullmatch(item["created_at"]) for item in page["results"])
    assert [item["created_by"].split(":")[0] for item in page["results"]] == ["user", "key", "key"]
    first = ok(owner.server.get(f"{path}versions/?limit=2"))
    assert first["next"].endswith(f"{path}versions/?limit=2&offset=2")
    assert len(ok(owner.server.get(first["next"]))["results"]) == 1


def test_changes_are_a_ledger_that_can_be_read_from_a_time_on(owner: Account) -> None:
    segment = create(owner, definition=did("bought"))
    path = f"/api/segments/{segment['id']}/"
    compute(owner, segment["id"])
    ok(owner.server.patch(path, json={"definition": did("bought", 2)}))
    compute(owner, segment["id"])
    page = ok(owner.server.get(f"{path}changes/"))
    assert (page["count"], page["next_cursor"]) == (3, None)
    assert isinstance(page["count"], int)
    assert [(item["change"], item["user_id"], item["version"]) for item in page["results"]] == [
        ("entered", "a", 1),
        ("entered", "b", 1),
        ("exited", "a", 2),
    ]
    assert all(item.keys() == {"change", "user_id", "version", "changed_at", "cause"} for item in page["results"])
    assert {item["cause"] for item in page["results"]} == {"requested"}
    part = ok(owner.server.get(f"{path}changes/?limit=2"))
    rest = ok(owner.server.get(f"{path}changes/?limit=2&cursor={part['next_cursor']}"))
    assert part["results"] + rest["results"] == page["results"]
    assert rest["next_cursor"] is None
    times = [item["changed_at"] for item in page["results"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", time) for time in times)
    later = ok(owner.server.get(f"{path}changes/", params={"since": times[0]}))
    assert later == {"results": page["results"][2:], "next_cursor": None, "count": 1}
    latest = ok(owner.server.get(f"{path}changes/", params={"since": times[2]}))
    assert latest == {"results": [], "next_cursor": None, "count": 0}


def test_a_preview_may_look_back(owner: Account) -> None:
    def previewed(**fields: Any) -> Any:
        return ok(owner.server.post("/api/segments/preview/", json={"definition": did("bought", 2)} | fields))

    now = previewed()
    assert now.keys() == {"matched_users", "sample_user_ids", "sql"}
    assert (now["matched_users"], now["sample_user_ids"]) == (1, ["b"])
    assert previewed(as_of="2026-01-04T09:59:59+00:00")["matched_users"] == 0
    assert previewed(as_of="2026-01-04T10:00:00Z")["matched_users"] == 1


def test_a_diff_says_who_would_come_and_go(owner: Account, buyers: dict[str, Any]) -> None:
    path = f"/api/segments/{buyers['id']}/diff/"
    assert ok(owner.server.post(path)) == {
        "entering": 0,
        "leaving": 0,
        "staying": 2,
        "sample_entering_ids": [],
        "sample_leaving_ids": [],
    }
    other = {"logic": "OR", "conditions": did("left")["conditions"] + did("bought", 2)["conditions"]}
    assert ok(owner.server.post(path, json={"definition": other})) == {
        "entering": 1,
        "leaving": 1,
        "staying": 1,
        "sample_entering_ids": ["c"],
        "sample_leaving_ids": ["a"],
    }
    # Nobody was a member then, and `a` had bought.
    past = ok(owner.server.post(path, json={"as_of": "2026-01-01T12:00:00Z"}))
    assert (past["entering"], past["leaving"], past["staying"]) == (1, 0, 0)
    assert ok(owner.server.get(f"/api/segments/{buyers['id']}/"))["version"] == 1


def test_an_estimate_of_a_small_tenant_is_exact(owner: Account, buyers: dict[str, Any]) -> None:
    expected = {"estimated_users": 2, "sampled": False, "sample_size": 3, "total_users": 3}
    for body in (None, {}, {"unknown": 1}):
        assert ok(owner.server.post(f"/api/segments/{buyers['id']}/estimate/", json=body)) == expected


@pytest.mark.parametrize("route", ["estimate", "diff", "compute"])
def test_a_segment_without_a_definition_can_only_be_told_so(owner: Account, route: str) -> None:
    answer = ok(owner.server.post(f"/api/segments/{create(owner)['id']}/{route}/"), 400)
    assert "definition" in answer["detail"]


ROUTES = [
    ("GET", ""),
    ("PUT", ""),
    ("PATCH", ""),
    ("DELETE", ""),
    ("GET", "versions/"),
    ("POST", "diff/"),
    ("POST", "estimate/"),
    ("POST", "compute/"),
    ("GET", "members/"),
    ("GET", "changes/"),
    ("POST", "export/"),
    ("GET", "export/?export_id=1"),
]


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_another_tenants_segment_is_not_found(
    owner: Account, stranger: Account, buyers: dict[str, Any], method: str, route: str
) -> None:
    body = {"name": "mine", "format": "csv"} if method in ("POST", "PUT", "PATCH") else None
    path = f"/api/segments/{buyers['id']}/{route}"
    expected = stranger.server.request(method, f"/api/segments/{2**31 - 1}/{route}", json=body)
    assert ok(stranger.server.request(method, path, json=body), 404) == ok(expected, 404) == {"detail": "Not found."}
    assert ok(owner.server.get(f"/api/segments/{buyers['id']}/")) == buyers


def test_another_tenants_segment_cannot_be_referred_to(stranger: Account, buyers: dict[str, Any]) -> None:
    answer = stranger.server.post("/api/segments/", json={"name": "x", "definition": is_in(buyers["id"])})
    assert wrong(answer) == {"definition": [f"conditions[0].segment_id: there is no segment {buyers['id']}"]}


def test_a_segment_that_others_refer_to_is_not_deleted_and_names_them(owner: Account) -> None:
    referred = create(owner, name="Referred")
    others = [create(owner, name=name, definition=is_in(referred["id"])) for name in ("First", "Second")]
    path = f"/api/segments/{referred['id']}/"
    detail = ok(owner.server.delete(path), 409)["detail"]
    assert all(f"{other['name']}" in detail for other in others)
    for other in others:
        ok(owner.server.delete(f"/api/segments/{other['id']}/"), 204)
    ok(owner.server.delete(path), 204)


def test_a_cycle_is_refused_with_its_path(owner: Account) -> None:
    first = create(owner)
    second = create(owner, definition=is_in(first["id"]))
    path = f"/api/segments/{first['id']}/"
    for target in (first, second):
        texts = wrong(owner.server.patch(path, json={"definition": is_in(target["id"])}))["definition"]
        assert [text.split(":")[0] for text in texts] == ["conditions[0].segment_id"]
    assert ok(owner.server.get(path))["version"] == 0


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/segments/membership/", "GET, POST"),
        ("POST", "/api/segments/1/versions/", "GET"),
        ("POST", "/api/segments/1/changes/", "GET"),
        ("GET", "/api/segments/1/diff/", "POST"),
        ("GET", "/api/segments/1/estimate/", "POST"),
        ("PUT", "/api/segments/1/export/", "GET, POST"),
        ("POST", "/api/segments/exports/1/download/", "GET"),
    ],
)
def test_a_wrong_method_says_which_are_right(owner: Account, method: str, path: str, allowed: str) -> None:
    answer = owner.server.request(method, path)
    ok(answer, 405)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("route", "params", "fields"),
    [
        ("changes", {"limit": "many"}, {"limit"}),
        ("changes", {"limit": "0"}, {"limit"}),
        ("changes", {"limit": "10001", "since": "yesterday", "cursor": "forged"}, {"limit", "since", "cursor"}),
        ("members", {"limit": "1.5"}, {"limit"}),
        ("members", {"limit": "10001", "cursor": "forged"}, {"limit", "cursor"}),
        ("versions", {"limit": "201", "offset": "-1"}, {"limit", "offset"}),
        ("versions", {"page": "x"}, {"page"}),
        ("export", {"export_id": "x"}, {"export_id"}),
    ],
)
def test_every_wrong_query_parameter_is_named(
    owner: Account, buyers: dict[str, Any], route: str, params: dict[str, str], fields: set[str]
) -> None:
    assert wrong(owner.server.get(f"/api/segments/{buyers['id']}/{route}/", params=params)).keys() == fields


@pytest.mark.parametrize(
    "path", ["", "{id}/", "{id}/versions/", "{id}/changes/", "{id}/members/", "membership/?user_id=a"]
)
def test_unknown_query_parameters_are_ignored(owner: Account, buyers: dict[str, Any], path: str) -> None:
    path = f"/api/segments/{path}".format(id=buyers["id"])
    plain = ok(owner.server.get(path))
    more = ok(owner.server.get(path + ("&" if "?" in path else "?") + "colour=red&a.b=c&_=1"))
    assert more == plain


@pytest.mark.parametrize("route", ["membership/", "preview/", "{id}/diff/", "{id}/export/", "{id}/estimate/"])
@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'"x"', b'{"a": 1}}', b"\xff"])
def test_a_body_that_is_no_json_object_is_400(owner: Account, buyers: dict[str, Any], route: str, body: bytes) -> None:
    path = f"/api/segments/{route}".format(id=buyers["id"])
    answer = owner.server.post(path, content=body, headers=JSON)
    assert ok(answer, 400)


@pytest.mark.parametrize(
    ("route", "body", "field"),
    [
        ("{id}/diff/", {"as_of": "yesterday"}, "as_of"),
        ("{id}/diff/", {"as_of": "2999-01-01T00:00:00Z"}, "as_of"),
        ("{id}/diff/", {"definition": {"logic": "XOR", "conditions": []}}, "definition"),
        ("{id}/diff/", {"definition": is_in(2**31 - 1)}, "definition"),
        ("preview/", {"definition": did("x"), "as_of": "2026-13-01"}, "as_of"),
        ("preview/", {"definition": is_in(2**31 - 1)}, "definition"),
        ("preview/", {"definition": did("x"), "limit": 101}, "limit"),
        ("{id}/export/", {"format": "xml"}, "format"),
        ("{id}/export/", {}, "format"),
    ],
)
def test_a_wrong_field_of_a_body_is_named(
    owner: Account, buyers: dict[str, Any], route: str, body: object, field: str
) -> None:
    assert list(wrong(owner.server.post(f"/api/segments/{route}".format(id=buyers["id"]), json=body))) == [field]


@pytest.mark.parametrize("user_ids", [[1], [None], [{}], {"0": "a"}, 5])
def test_user_ids_of_a_wrong_type_are_400(owner: Account, user_ids: object) -> None:
    ok(owner.server.post("/api/segments/membership/", json={"user_ids": user_ids}), 400)


def test_a_grpc_client_streams_members_through_the_edge(
    platform: Running, owner: Account, stranger: Account, buyers: dict[str, Any]
) -> None:
    def streamed(*metadata: tuple[str, str]) -> list[str]:
        with grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}") as channel:
            stub: Any = segments_pb2_grpc.SegmentsServiceStub(channel)
            chunks = stub.StreamMembers(pb.StreamMembersRequest(id=buyers["id"]), metadata=metadata, timeout=10)
            return [member.user_id for chunk in chunks for member in chunk.members]

    for authorization in (f"ApiKey {owner.key}", f"Bearer {owner.access}"):
        assert streamed(("authorization", authorization)) == ["a", "b"]
    for authorization, code in (
        (f"ApiKey {stranger.key}", grpc.StatusCode.NOT_FOUND),
        ("ApiKey sk_live_x", grpc.StatusCode.UNAUTHENTICATED),
    ):
        with pytest.raises(grpc.RpcError) as raised:
            streamed(("authorization", authorization))
        assert raised.value.code() == code
