"""More than can be served: what is too much is refused with 503 at once, the rest is served, and nothing breaks."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from queue import SimpleQueue

import grpc
import httpx
import pytest

from services.gen.segops.ingestion.v1 import ingestion_pb2 as ingestion
from services.gen.segops.ingestion.v1 import ingestion_pb2_grpc
from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.gen.segops.segments.v1 import segments_pb2_grpc
from tests.another_envoy import Config, another_envoy, breakers
from tests.bench.load import Answer, Load, quantile, request, run_load
from tests.e2e.account import Account, register
from tests.e2e.test_error_shapes import error_of
from tests.running import Running

PATH = "/api/segments/membership/?user_id=u1"
SECONDS = 0.7
# authz's own at a time; those on further connections used to wait until authz was given up.
SERVED_AT_A_TIME = 128
GIVEN_UP_SECONDS = 5.0


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """One tenant for all tests here."""
    with register(url) as account:
        yield account


def load(port: int, owner: Account, *, connections: int) -> tuple[Load, Counter[int]]:
    """What was answered with 200, and how often each status was."""
    statuses: Counter[int] = Counter()

    def is_right(answer: Answer) -> bool:
        statuses[answer.status] += 1
        if answer.status == 503:
            assert list(json.loads(answer.body)) == ["detail"]
        return answer.status == 200

    asked = itertools.repeat(request("GET", PATH, authorization=f"ApiKey {owner.key}"))
    done = asyncio.run(run_load(port, asked, is_right=is_right, seconds=SECONDS, connections=connections))
    return done, statuses


def narrow_authz(config: Config) -> None:
    breakers(config, "authz")["DEFAULT"] |= {"max_connections": 2, "max_pending_requests": 2, "max_requests": 4}


def narrow_segments(config: Config) -> None:
    breakers(config, "segments")["DEFAULT"]["max_requests"] = 4


@pytest.mark.parametrize("narrow", [narrow_authz, narrow_segments])
def test_what_is_too_much_is_503_at_once_and_the_rest_is_served(
    platform: Running, owner: Account, narrow: Callable[[Config], None]
) -> None:
    with another_envoy(platform.settings, narrow) as envoy:
        calm, _ = load(envoy.port, owner, connections=2)
        calm.raise_errors()
        busy, statuses = load(envoy.port, owner, connections=32)
        assert set(statuses) == {200, 503}
        # All ask again at once when they are refused, which leaves less time for the others.
        assert busy.requests > calm.requests / 10
        assert quantile(busy.latencies, 99) < 1.0
        load(envoy.port, owner, connections=2)[0].raise_errors()
        assert envoy.is_alive()


def test_a_refusal_says_when_to_come_again_and_that_nothing_was_done(platform: Running, owner: Account) -> None:
    def shut(config: Config) -> None:
        breakers(config, "segments")["DEFAULT"]["max_requests"] = 0

    with another_envoy(platform.settings, shut) as envoy:
        refused = httpx.post(
            f"{envoy.url}/api/segments/", json={"name": "x"}, headers=owner.server.headers, verify=False
        )
        assert "a retry is safe" in str(error_of(refused, 503)["detail"])
        assert refused.headers["retry-after"] == "1"
        with grpc.insecure_channel(f"127.0.0.1:{envoy.port}") as channel:
            stub = segments_pb2_grpc.SegmentsServiceStub(channel)
            with pytest.raises(grpc.RpcError) as failed:
                stub.ListSegments(pb.ListSegmentsRequest(), metadata=(("authorization", f"ApiKey {owner.key}"),))
        assert failed.value.code() == grpc.StatusCode.UNAVAILABLE


def test_streams_take_no_place_of_other_requests(platform: Running, owner: Account) -> None:
    def narrow(config: Config) -> None:
        for limits in breakers(config, "ingestion").values():
            limits["max_requests"] = 1

    metadata = (("authorization", f"ApiKey {owner.key}"),)
    batch = ingestion.TrackStreamRequest(batch=1, events=[ingestion.Event(user_id="u1", event_type="t")])
    batches: SimpleQueue[ingestion.TrackStreamRequest | None] = SimpleQueue()
    batches.put(batch)
    with another_envoy(platform.settings, narrow) as envoy, grpc.insecure_channel(f"127.0.0.1:{envoy.port}") as channel:
        stub = ingestion_pb2_grpc.IngestionServiceStub(channel)
        lasting = stub.TrackStream(iter(batches.get, None), metadata=metadata)
        assert next(lasting).batch == 1
        with pytest.raises(grpc.RpcError) as refused:
            next(stub.TrackStream(iter([batch]), metadata=metadata))
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        event = {"user_id": "u1", "event_type": "t"}
        answer = httpx.post(f"{envoy.url}/api/ingestion/track/", json=event, headers=owner.server.headers, verify=False)
        assert answer.status_code == 202
        batches.put(None)
        assert list(lasting) == []


def test_nobody_waits_behind_more_connections_than_authz_serves_at_a_time(platform: Running, owner: Account) -> None:
    envoy = platform.find("envoy")
    assert envoy is not None
    busy, statuses = load(platform.settings.edge_port, owner, connections=3 * SERVED_AT_A_TIME)
    assert set(statuses) <= {200, 503}
    assert statuses[200] > 0
    assert max(busy.latencies) < GIVEN_UP_SECONDS
    assert owner.server.get(PATH).status_code == 200
    assert envoy.is_running()
