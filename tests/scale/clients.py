"""Clients of a platform that never stop asking: over a load balancer before its edges, by REST and by gRPC."""

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import grpc
import httpx

from services.gen.segops.ingestion.v1 import ingestion_pb2, ingestion_pb2_grpc
from services.gen.segops.segments.v1 import segments_pb2, segments_pb2_grpc
from tests.e2e.account import Account
from tests.running import wait_for
from tests.scale.platform import Edge

LOOK_SECONDS = 0.05
PAUSE_SECONDS = 0.15
# Longer than the edge takes to answer, whatever happens behind it.
ANSWER_SECONDS = 70.0
# Of a stream of batches, which has to fit into the drain of a process.
BATCHES, BATCH_PAUSE_SECONDS = 10, 0.1
ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


class Balancer:
    """Sends each request to the next edge that says it is up."""

    def __init__(self, edges: Sequence[Edge]) -> None:
        self._edges = edges
        self._up = list(edges)
        self._turns = itertools.count()
        self._ended = threading.Event()

    def next(self) -> Edge:
        """The edge for a request."""
        up = self._up
        return up[next(self._turns) % len(up)]

    def knows_down(self, edge: Edge) -> bool:
        """Whether it sends nothing to an edge."""
        return edge not in self._up

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Looks within the block which edges are up."""
        with ThreadPoolExecutor(1) as threads:
            looking = threads.submit(self._look)
            try:
                yield
            finally:
                self._ended.set()
        looking.result()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self._up = [edge for edge in self._edges if edge.is_up()] or self._up


class Clients:
    """What was asked and how often; `failures` has each that was not answered as it should be."""

    def __init__(self, balancer: Balancer, account: Account, segment: int) -> None:
        self.asked: Counter[str] = Counter()
        self.failures: list[str] = []
        # The numbers of events of which it was said that they are on disk.
        self.accepted: list[int] = []
        self._balancer = balancer
        self._account = account
        self._segment = segment
        self._numbers = itertools.count()
        self._ended = threading.Event()
        self._key = f"ApiKey {account.key}"

    @contextmanager
    def asking(self, edges: Sequence[Edge]) -> Iterator[None]:
        """All clients ask within the block, over and over."""
        targets = ",".join(f"127.0.0.1:{edge.port}" for edge in edges)
        options = [
            ("grpc.service_config", ROUND_ROBIN),
            ("grpc.max_reconnect_backoff_ms", 500),
            # Of a list it would be the list.
            ("grpc.default_authority", "localhost"),
        ]
        with ExitStack() as stack:
            channel = stack.enter_context(grpc.insecure_channel(f"ipv4:{targets}", options=options))
            rest = {
                "membership": self._get(f"/api/segments/membership/?user_id=u&segment_id={self._segment}"),
                "segments": self._get("/api/segments/"),
                "connectors": self._get("/api/connectors/"),
                "profile": self._get("/api/explorer/users/u/"),
                "person": self._get("/api/auth/me/", f"Bearer {self._account.access}"),
                "document": self._get("/api/schema/", ""),
                "track": self._track,
                "create": self._create,
            }
            grpc_calls = {
                "grpc list": self._list(channel),
                "grpc members": self._members(channel),
                "grpc stream": self._stream(channel),
            }
            threads = stack.enter_context(ThreadPoolExecutor(len(rest) + len(grpc_calls)))
            running = [threads.submit(self._over_http, name, ask) for name, ask in rest.items()]
            running += [threads.submit(self._over_and_over, name, ask) for name, ask in grpc_calls.items()]
            try:
                wait_for(lambda: all(self.asked[name] or self.failures for name in (*rest, *grpc_calls)))
                yield
            finally:
                self._ended.set()
            for each in running:
                each.result()

    def _over_http(self, name: str, ask: Callable[[httpx.Client], None]) -> None:
        with httpx.Client(timeout=ANSWER_SECONDS, verify=False) as client:
            self._over_and_over(name, lambda: ask(client))

    def _over_and_over(self, name: str, ask: Callable[[], None]) -> None:
        while not self._ended.wait(PAUSE_SECONDS):
            try:
                ask()
            except (httpx.TransportError, grpc.RpcError, AssertionError) as failure:
                self.failures.append(f"{time.strftime('%X')} {name}: {failure!r}")
            self.asked[name] += 1

    def _get(self, path: str, authorization: str | None = None) -> Callable[[httpx.Client], None]:
        shown = self._key if authorization is None else authorization
        headers = {"authorization": shown} if shown else {}

        def ask(client: httpx.Client) -> None:
            answer = client.get(f"{self._balancer.next().url}{path}", headers=headers)
            assert answer.status_code == 200, (answer.status_code, answer.text)

        return ask

    def _track(self, client: httpx.Client) -> None:
        number = next(self._numbers)
        event = {"user_id": "u1", "event_type": "numbered", "payload": {"number": number}}
        self._post(client, "/api/ingestion/track/", event, 202)
        self.accepted.append(number)

    def _create(self, client: httpx.Client) -> None:
        number = next(self._numbers)
        self._post(client, "/api/segments/", {"name": f"Segment {number}"}, 201, {"idempotency-key": f"k-{number}"})

    def _post(
        self, client: httpx.Client, path: str, body: object, status: int, headers: dict[str, str] | None = None
    ) -> None:
        shown = {"authorization": self._key, **(headers or {})}
        answer = client.post(f"{self._balancer.next().url}{path}", json=body, headers=shown)
        assert answer.status_code == status, (answer.status_code, answer.text)

    def _list(self, channel: grpc.Channel) -> Callable[[], None]:
        stub = segments_pb2_grpc.SegmentsServiceStub(channel)

        def ask() -> None:
            stub.ListSegments(segments_pb2.ListSegmentsRequest(), metadata=self._metadata, timeout=ANSWER_SECONDS)

        return ask

    def _members(self, channel: grpc.Channel) -> Callable[[], None]:
        stub = segments_pb2_grpc.SegmentsServiceStub(channel)

        def ask() -> None:
            request = segments_pb2.StreamMembersRequest(id=self._segment)
            chunks = list(stub.StreamMembers(request, metadata=self._metadata, timeout=ANSWER_SECONDS))
            assert [member.user_id for chunk in chunks for member in chunk.members] == ["u"]

        return ask

    def _stream(self, channel: grpc.Channel) -> Callable[[], None]:
        stub = ingestion_pb2_grpc.IngestionServiceStub(channel)

        def ask() -> None:
            numbers = list(itertools.islice(self._numbers, BATCHES))
            answers = stub.TrackStream(self._batches(numbers), metadata=self._metadata, timeout=ANSWER_SECONDS)
            for number, answer in zip(numbers, answers, strict=True):
                assert (answer.batch, answer.result.queued) == (number, 1)
                self.accepted.append(number)

        return ask

    def _batches(self, numbers: Sequence[int]) -> Iterator[ingestion_pb2.TrackStreamRequest]:
        for number in numbers:
            payload = json.dumps({"number": number})
            event = ingestion_pb2.Event(user_id="u1", event_type="numbered", payload_json=payload)
            yield ingestion_pb2.TrackStreamRequest(batch=number, events=[event])
            self._ended.wait(BATCH_PAUSE_SECONDS)

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", self._key),)
