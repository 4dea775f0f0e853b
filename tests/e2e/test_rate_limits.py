"""How many API calls a tenant may make a minute: told with every answer, and enforced for all its callers together."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.gen.segops.segments.v1 import segments_pb2_grpc
from tests.e2e.account import Account, client
from tests.e2e.segopsctl import segopsctl
from tests.running import Running, wait_for

FREE_CALLS = 60
ANY_NUMBER = "2147483647"
JSON = {"content-type": "application/json"}
EVENT = {"user_id": "a", "event_type": "b"}
MEBIBYTE = 2**20


def limits_of(answer: httpx.Response) -> tuple[str, str]:
    """Limit and Remaining, after checking that Reset is the end of the minute."""
    reset = int(answer.headers["x-ratelimit-reset"])
    assert 1 <= reset <= 60
    assert abs((time.time() + reset) % 60 - 30) > 25
    return answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]


def put_on_plan(platform: Running, account: Account, *plan: str) -> None:
    assert segopsctl(platform, "tenants", "set-plan", account.slug, *plan).returncode == 0


def await_minute(seconds: float) -> None:
    """Returns in a minute that lasts for so many seconds yet."""
    wait_for(lambda: time.time() % 60 < 60 - seconds, seconds + 1)


@pytest.fixture
def stub(platform: Running) -> Iterator[segments_pb2_grpc.SegmentsServiceStub]:
    with grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}") as channel:
        yield segments_pb2_grpc.SegmentsServiceStub(channel)


@pytest.mark.parametrize(
    ("status", "method", "path", "sent"),
    [
        (200, "GET", "/api/segments/", {}),
        (201, "POST", "/api/segments/", {"json": {"name": "A segment"}}),
        (202, "POST", "/api/ingestion/track/", {"json": EVENT}),
        (204, "DELETE", "/api/segments/{id}/", {}),
        (400, "POST", "/api/segments/", {"json": {}}),
        (400, "GET", "/api/segments/?limit=x", {}),
        (400, "POST", "/api/segments/", {"content": "{", "headers": JSON}),
        (403, "GET", "/api/auth/me/", {}),
        (404, "GET", "/api/segments/0/", {}),
        (404, "GET", "/api/nope/", {}),
        (405, "PATCH", "/api/segments/", {}),
        (413, "POST", "/api/ingestion/track/", {"content": b"x" * (17 * MEBIBYTE), "headers": JSON}),
        (415, "POST", "/api/segments/", {"content": "x", "headers": {"content-type": "text/plain"}}),
    ],
)
def test_every_answer_tells_how_many_calls_are_left(
    owner: Account, status: int, method: str, path: str, sent: dict[str, object]
) -> None:
    if "{id}" in path:
        path = path.format(id=owner.server.post("/api/segments/", json={"name": "A segment"}).json()["id"])
    answer = owner.server.request(method, path, **sent)  # type: ignore[arg-type]
    assert answer.status_code == status
    assert limits_of(answer) == (ANY_NUMBER, ANY_NUMBER)


def test_all_callers_of_a_tenant_share_its_calls_and_what_goes_beyond_is_refused(
    platform: Running, url: str, owner: Account
) -> None:
    made = owner.person.post("/api/auth/api-keys/", json={"name": "p", "key_type": "public"}).json()
    with client(url, f"ApiKey {made['key']}") as public:
        token = public.post("/api/auth/session/", json={"user_id": "a"}).json()["token"]
    put_on_plan(platform, owner, "free")
    with client(url, f"Bearer {token}") as session:
        wait_for(lambda: owner.server.get("/api/segments/").headers["x-ratelimit-limit"] == str(FREE_CALLS), 1)
        await_minute(8)
        left = int(owner.server.get("/api/segments/").headers["x-ratelimit-remaining"])
        assert owner.person.get("/api/auth/me/").headers["x-ratelimit-remaining"] == str(left - 1)
        assert session.post("/api/ingestion/track/", json=EVENT).headers["x-ratelimit-remaining"] == str(left - 2)
        assert session.get("/api/segments/").status_code == 403
        with ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(lambda _: owner.server.get("/api/segments/").status_code, range(100)))
        assert sorted(set(statuses)) == [200, 429]
        assert statuses.count(200) == left - 3
        for caller, path in ((owner.person, "/api/auth/me/"), (owner.server, "/api/nope/")):
            refused = caller.get(path)
            assert refused.status_code == 429
            assert list(refused.json()) == ["detail"]
            assert limits_of(refused) == (str(FREE_CALLS), "0")
            assert refused.headers["retry-after"] == refused.headers["x-ratelimit-reset"]
        assert session.post("/api/ingestion/track/", json=EVENT).status_code == 429
        put_on_plan(platform, owner, "starter")
        wait_for(lambda: owner.server.get("/api/segments/").status_code == 200, 1)


def test_a_limit_of_its_own_holds_for_an_enterprise_tenant(platform: Running, owner: Account) -> None:
    put_on_plan(platform, owner, "enterprise", "--api-calls-per-minute", "20")
    await_minute(5)
    answers = [owner.server.get("/api/segments/") for _ in range(22)]
    # Calls that were made before there was a limit count as well.
    left = int(answers[0].headers["x-ratelimit-remaining"])
    assert 0 < left < 20
    assert [limits_of(answer) for answer in answers] == [("20", str(max(0, left - made))) for made in range(22)]
    assert [answer.status_code for answer in answers] == [200] * (left + 1) + [429] * (21 - left)


def test_grpc_callers_are_told_in_metadata_and_refused_with_a_status_of_their_own(
    platform: Running, owner: Account, stub: segments_pb2_grpc.SegmentsServiceStub
) -> None:
    metadata = (("authorization", f"ApiKey {owner.key}"),)
    _, call = stub.ListSegments.with_call(pb.ListSegmentsRequest(), metadata=metadata)
    assert dict(call.initial_metadata())["x-ratelimit-limit"] == ANY_NUMBER
    with pytest.raises(grpc.RpcError) as failed:
        stub.GetSegment(pb.GetSegmentRequest(), metadata=metadata)
    assert failed.value.code() == grpc.StatusCode.NOT_FOUND
    assert told(failed.value)["x-ratelimit-remaining"] == ANY_NUMBER
    put_on_plan(platform, owner, "free")
    await_minute(5)
    with pytest.raises(grpc.RpcError) as refused:
        [stub.ListSegments(pb.ListSegmentsRequest(), metadata=metadata) for _ in range(FREE_CALLS * 2)]
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    said = told(refused.value)
    assert (said["x-ratelimit-limit"], said["x-ratelimit-remaining"]) == (str(FREE_CALLS), "0")
    assert 1 <= int(said["retry-after"]) <= 60


def told(error: Any) -> dict[str, str]:
    """What came beside the status, in the metadata before or after."""
    return dict([*error.initial_metadata(), *error.trailing_metadata()])
