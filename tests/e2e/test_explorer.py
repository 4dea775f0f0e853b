"""Looking users up through the edge: search, profile, events and segments (contract, section 6)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import httpx
import pytest
from google.protobuf.json_format import MessageToDict

from services.gen.segops.profiles.v1 import profiles_pb2 as pb
from services.gen.segops.profiles.v1 import profiles_pb2_grpc
from tests.e2e.account import Account, register
from tests.e2e.test_segments import compute, create, did, ok, wrong
from tests.running import Running, wait_for

USERS = "/api/explorer/users/"
ANN = "ann@example.com"
ODD_IDS = (
    "a/b", "a//b", "/", "a b", " ", "a+b", "100%", "%41", "%2F", "_", "a_b", "axb", "\\", "a\\b", "'", 'say "hi"', "é",
    "日本語", "🙂", "a?b=c#d", "a;b", "{user_id}", "events", "x" * 256, "é" * 256,
)  # fmt: skip
NESTED = {
    "total": 12.5,
    "big": 2**53,
    "items": [{"sku": "a\\b", "none": None, "yes": True}, [], {}, "é🙂\n"],
    "": -0.001,
}
EVENTS: list[dict[str, Any]] = [
    {"user_id": ANN, "event_type": "bought", "occurred_at": "2026-04-01T10:00:00.250Z", "payload": NESTED},
    {"user_id": ANN, "event_type": "seen", "occurred_at": "2026-04-02T10:00:00Z"},
    {"user_id": ANN, "event_type": "context_identified", "occurred_at": "2026-04-03T10:00:00Z", "payload": {"n": 1}},
    {"user_id": "joann", "event_type": "seen", "occurred_at": "2026-04-02T11:00:00.001Z"},
    *({"user_id": user_id, "event_type": "it's %_\\", "occurred_at": "2026-01-01T00:00:00Z"} for user_id in ODD_IDS),
]


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """A tenant with EVENTS, for tests that change nothing."""
    with register(url) as account:
        send(account, EVENTS)
        yield account


def send(account: Account, events: list[dict[str, Any]]) -> None:
    """Sends events and returns when all of them are seen."""
    before = seen(account)
    assert ok(account.server.post("/api/ingestion/track/batch/", json={"events": events}), 202)["skipped"] == 0
    wait_for(lambda: seen(account) == before + len(events))


def seen(account: Account) -> int:
    """How many events there are."""
    return sum(user["event_count"] for user in ok(account.server.get(USERS, params={"limit": 200}))["results"])


def path_of(user_id: str) -> str:
    return f"{USERS}{quote(user_id, safe='')}/"


def events_of(account: Account, user_id: str, **search: str | int) -> Any:
    return ok(account.server.get(f"{path_of(user_id)}events/", params=search))


def found(account: Account, text: str) -> list[str]:
    """Whom a search finds, all on one page."""
    page = ok(account.server.get(USERS, params={"q": text, "limit": 200}))
    assert (page["count"], page["next"], page["previous"]) == (len(page["results"]), None, None)
    return [user["user_id"] for user in page["results"]]


@pytest.mark.parametrize("user_id", ODD_IDS)
def test_an_id_of_any_characters_is_found_and_read(owner: Account, user_id: str) -> None:
    profile = ok(owner.server.get(path_of(user_id)))
    assert profile == {
        "user_id": user_id,
        "event_count": 1,
        "event_type_count": 1,
        "first_seen": "2026-01-01T00:00:00Z",
        "last_seen": "2026-01-01T00:00:00Z",
        "properties": {},
    }
    page = events_of(owner, user_id, event_type="it's %_\\")
    assert [(event["user_id"], event["event_type"]) for event in page["results"]] == [(user_id, "it's %_\\")]
    assert ok(owner.server.get(f"{path_of(user_id)}segments/")) == []
    expected = {other for other in (ANN, "joann", *ODD_IDS) if user_id in other}
    assert set(found(owner, user_id)) == expected


def test_a_search_takes_its_text_literally_and_puts_beginnings_first(owner: Account) -> None:
    assert found(owner, "ann") == [ANN, "joann"]
    assert found(owner, "ANN") == []
    assert found(owner, "a_") == ["a_b"]
    assert found(owner, "%") == ["%2F", "%41", "100%"]
    everybody = found(owner, "")
    assert everybody == sorted({ANN, "joann", *ODD_IDS}, key=str.encode)
    assert everybody == [user["user_id"] for user in ok(owner.server.get(USERS, params={"limit": 200}))["results"]]
    [ann] = ok(owner.server.get(USERS, params={"q": ANN}))["results"]
    assert ann == {
        "user_id": ANN,
        "event_count": 3,
        "first_seen": "2026-04-01T10:00:00.250Z",
        "last_seen": "2026-04-03T10:00:00Z",
    }


def test_links_to_other_pages_keep_what_is_asked_for(owner: Account, url: str) -> None:
    whole, walked = found(owner, "a"), list[str]()
    page = ok(owner.server.get(USERS, params={"q": "a", "limit": 4}))
    assert page["previous"] is None
    while True:
        assert page["count"] == len(whole)
        walked += [user["user_id"] for user in page["results"]]
        if page["next"] is None:
            break
        assert page["next"].startswith(f"{url}{USERS}?")
        assert httpx.URL(page["next"]).params["q"] == "a"
        page = ok(owner.server.get(page["next"]))
    assert walked == whole
    assert httpx.URL(page["previous"]).params["limit"] == "4"
    beyond = ok(owner.server.get(USERS, params={"q": "a", "offset": 2**31 - 1}))
    assert (beyond["count"], beyond["results"], beyond["next"]) == (len(whole), [], None)
    numbered = ok(owner.server.get(USERS, params={"q": "a", "page": 2, "page_size": 4}))
    assert [user["user_id"] for user in numbered["results"]] == whole[4:8]
    assert dict(httpx.URL(numbered["next"]).params) == {"q": "a", "page": "3", "page_size": "4"}
    older = events_of(owner, ANN, since="2026-04-01T12:00:00+02:00", limit=1, offset=1)
    assert older["count"] == 3
    assert [event["event_type"] for event in older["results"]] == ["seen"]
    asked = httpx.URL(older["next"]).params
    assert (asked["since"], asked["offset"]) == ("2026-04-01T12:00:00+02:00", "2")
    assert [event["event_type"] for event in ok(owner.server.get(older["next"]))["results"]] == ["bought"]


def test_events_are_newest_first_as_they_were_sent(owner: Account) -> None:
    page = events_of(owner, ANN)
    assert [event["event_type"] for event in page["results"]] == ["context_identified", "seen", "bought"]
    bought = page["results"][-1]
    assert bought.keys() == {"event_id", "event_type", "occurred_at", "received_at", "payload", "user_id"}
    assert (bought["occurred_at"], bought["user_id"]) == ("2026-04-01T10:00:00.250Z", ANN)
    assert bought["payload"] == NESTED
    assert page["results"][1]["payload"] == {}
    assert ok(owner.server.get(path_of(ANN)))["properties"] == {"n": 1}


@pytest.mark.parametrize(
    ("search", "types"),
    [
        ({"event_type": "seen"}, ["seen"]),
        ({"event_type": "see"}, []),
        ({"since": "2026-04-02T10:00:00Z"}, ["context_identified", "seen"]),
        ({"until": "2026-04-02T10:00:00Z"}, ["bought"]),
        ({"since": "2026-04-01T10:00:00.250Z", "until": "2026-04-01T10:00:00.251Z"}, ["bought"]),
        ({"since": "2026-04-02T12:00:00+02:00", "until": "2026-04-03"}, None),
        ({"since": "2026-04-03T00:00:00Z", "until": "2026-04-01T00:00:00Z"}, []),
        ({"event_type": "seen", "since": "2026-04-02T10:00:00.0005"}, []),
    ],
)
def test_events_are_chosen_by_type_and_time(owner: Account, search: dict[str, str], types: list[str] | None) -> None:
    if types is None:
        answer = owner.server.get(f"{path_of(ANN)}events/", params=search)
        assert wrong(answer).keys() == {"until"}
        return
    page = events_of(owner, ANN, **search)
    assert page["count"] == len(types)
    assert [event["event_type"] for event in page["results"]] == types


def test_every_wrong_field_is_named(owner: Account) -> None:
    bad: dict[str, str | int] = {
        "event_type": "t" * 129,
        "since": "monday",
        "until": "0",
        "limit": 201,
        "offset": -1,
        "page": 0,
    }
    assert wrong(owner.server.get(f"{path_of(ANN)}events/", params=bad)).keys() == bad.keys()
    bad = {"q": "q" * 257, "page_size": 0, "page": 10**8}
    assert wrong(owner.server.get(USERS, params=bad)).keys() == bad.keys()
    for control in ("\0", "\n", "\x7f", "\x85"):
        assert wrong(owner.server.get(USERS, params={"q": f"a{control}"})).keys() == {"q"}
        for path in ("", "events/", "segments/"):
            answer = owner.server.get(f"{path_of(f'a{control}')}{path}")
            # No path gets past the edge with a NUL in it.
            assert ok(answer, 400).keys() == {"user_id" if control != "\0" else "detail"}
    assert wrong(owner.server.get(path_of("x" * 257))).keys() == {"user_id"}
    assert owner.server.get(USERS, params={"limit": "many"}).status_code == 400


def test_nobody_is_found_where_nobody_is(owner: Account, stranger: Account) -> None:
    for account, user_id in ((owner, "nobody"), (stranger, ANN)):
        assert ok(account.server.get(path_of(user_id)), 404).keys() == {"detail"}
        assert (events_of(account, user_id)["count"], found(account, user_id)) == (0, [])
        assert ok(account.server.get(f"{path_of(user_id)}segments/")) == []


def test_linked_ids_are_one_user(owner: Account, stranger: Account) -> None:
    for account in (owner, stranger):
        sent = [{"user_id": user_id, "event_type": "seen"} for user_id in ("bob", "anon_7", "anon_8", "anon_7")]
        traits = [{"user_id": "anon_7", "event_type": "context_identified", "payload": {"plan": "pro"}}]
        send(account, [*sent, *traits])
    for anonymous_id in ("7", "never-seen"):
        body = {"anonymous_id": anonymous_id, "user_id": "bob"}
        ok(stranger.server.post("/api/identity/alias/", json=body))
    # Properties have a table of their own, which is filled a moment after that of events.
    wait_for(lambda: ok(stranger.server.get(path_of("bob")))["properties"])
    for user_id in ("bob", "anon_7", "anon_never-seen"):
        profile = ok(stranger.server.get(path_of(user_id)))
        assert (profile["user_id"], profile["event_count"], profile["properties"]) == ("bob", 4, {"plan": "pro"})
        page = events_of(stranger, user_id)
        assert sorted(event["user_id"] for event in page["results"]) == ["anon_7", "anon_7", "anon_7", "bob"]
    assert found(stranger, "anon_") == ["bob", "anon_8"][::-1]
    assert found(stranger, "anon_never") == found(stranger, "bo") == ["bob"]
    assert found(stranger, "") == ["anon_8", "bob"]
    assert ok(stranger.server.get(USERS, params={"q": "bob"}))["results"][0]["event_count"] == 4
    # Elsewhere nothing is linked.
    assert found(owner, "anon_") == ["anon_7", "anon_8"]
    assert ok(owner.server.get(path_of("bob")))["event_count"] == 1


def test_grpc_clients_read_the_same(platform: Running, owner: Account) -> None:
    metadata = (("authorization", f"ApiKey {owner.key}"),)
    with grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}") as channel:
        stub = profiles_pb2_grpc.ProfilesServiceStub(channel)
        page = stub.SearchUsers(pb.SearchUsersRequest(q="ann"), metadata=metadata)
        assert [user.user_id for user in page.results] == [ANN, "joann"]
        profile = stub.GetUser(pb.GetUserRequest(user_id=ANN), metadata=metadata)
        rest = ok(owner.server.get(path_of(ANN)))
        assert MessageToDict(profile, preserving_proto_field_name=True) == rest
        listed = stub.ListUserEvents(pb.ListUserEventsRequest(user_id=ANN, event_type="bought"), metadata=metadata)
        assert MessageToDict(listed.results[0].payload) == NESTED
        assert list(stub.ListUserSegments(pb.ListUserSegmentsRequest(user_id=ANN), metadata=metadata)) == []
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetUser(pb.GetUserRequest(user_id="nobody"), metadata=metadata)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_segments_of_a_user_are_a_bare_list_by_name(stranger: Account) -> None:
    send(stranger, [{"user_id": ANN, "event_type": "seen"}])
    ids = [create(stranger, name=name, definition=did("seen"))["id"] for name in ("Second", "First")]
    computed = [compute(stranger, segment_id) for segment_id in ids]
    assert ok(stranger.server.get(f"{path_of(ANN)}segments/")) == [
        {
            "segment_id": segment["id"],
            "segment_name": segment["name"],
            "member_count": 1,
            "computed_at": segment["last_computed_at"],
        }
        for segment in reversed(computed)
    ]


def test_the_command_line_of_segops_admin_looks_users_up(url: str, owner: Account) -> None:
    def run(*arguments: str) -> Any:
        ended = subprocess.run(
            [Path(sys.executable).with_name("segops-admin"), "users", *arguments],
            env=os.environ | {"SEGOPS_API_KEY": owner.key, "SEGOPS_API_URL": f"{url}/api"},
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(ended.stdout) if ended.returncode == 0 else ended.stderr

    assert run("search", "--q", "a/", "--limit=1")["results"][0]["user_id"] == "a//b"
    assert run("get", "日本語")["event_count"] == 1
    assert [event["event_type"] for event in run("events", ANN, "--event_type=bought")["results"]] == ["bought"]
    assert "API error 404" in run("get", "nobody")
    assert "API error 400" in run("events", ANN, "--since", "monday")
