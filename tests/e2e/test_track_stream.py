"""gRPC through the edge: a stream of batches with a key, acknowledged while its sender still sends."""

import time
from collections.abc import Iterator
from threading import Semaphore

import grpc
import httpx
import pytest

from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb
from services.gen.segops.ingestion.v1 import ingestion_pb2_grpc
from tests.e2e.account import Account
from tests.running import Running, wait_for

STREAM_SECONDS = 2.0
WINDOW = 16
BATCH = 50


@pytest.fixture
def stub(platform: Running) -> Iterator[ingestion_pb2_grpc.IngestionServiceStub]:
    with grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}") as channel:
        yield ingestion_pb2_grpc.IngestionServiceStub(channel)


def batch(number: int) -> pb.TrackStreamRequest:
    events = [pb.Event(user_id="u", event_type="t", message_id=f"{number}-{place}") for place in range(BATCH)]
    return pb.TrackStreamRequest(batch=number, events=events)


def test_batches_are_acknowledged_while_more_are_sent(
    stub: ingestion_pb2_grpc.IngestionServiceStub, owner: Account
) -> None:
    sent: list[int] = []
    room = Semaphore(WINDOW)

    def batches() -> Iterator[pb.TrackStreamRequest]:
        until = time.monotonic() + STREAM_SECONDS
        # Would end early if acknowledgements came only after the last batch.
        while time.monotonic() < until and room.acquire(timeout=STREAM_SECONDS):
            sent.append(len(sent))
            yield batch(sent[-1])

    metadata = (("authorization", f"ApiKey {owner.key}"),)
    acknowledged = []
    for answer in stub.TrackStream(batches(), metadata=metadata):
        acknowledged.append(answer.batch)
        assert answer.result.queued + answer.result.duplicate == BATCH
        room.release()
    assert acknowledged == sent
    assert len(sent) > 3 * WINDOW
    count = BATCH * len(sent)
    user = wait_for(lambda: _user(owner.server, count))
    assert user["event_count"] == count


def _user(server: httpx.Client, count: int) -> dict[str, int] | None:
    answer = server.get("/api/explorer/users/u/")
    return answer.json() if answer.status_code == 200 and answer.json()["event_count"] >= count else None


@pytest.mark.parametrize("authorization", [None, "ApiKey sk_live_nothing"])
def test_a_stream_without_a_key_is_refused(
    stub: ingestion_pb2_grpc.IngestionServiceStub, authorization: str | None
) -> None:
    metadata = (("authorization", authorization),) if authorization else ()
    with pytest.raises(grpc.RpcError) as raised:
        list(stub.TrackStream(iter([batch(1)]), metadata=metadata))
    assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_one_request_takes_typed_events(stub: ingestion_pb2_grpc.IngestionServiceStub, owner: Account) -> None:
    request = pb.TrackEventsRequest(events=[pb.Event(user_id="u", event_type="t"), pb.Event()])
    answer = stub.TrackEvents(request, metadata=(("authorization", f"ApiKey {owner.key}"),))
    assert answer.queued == 1
    assert [item.index for item in answer.skipped] == [1]
