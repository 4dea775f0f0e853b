"""Traces: a request through Envoy is one trace, in which every process and every statement has its place."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.account import Account, register
from tests.e2e.test_segments import did
from tests.running import Running, wait_for
from tests.standins.collector import Collector, Span, collecting

PROGRAMS = ("postgres", "nats", "migrate", "warehouse", "identity", "ingestion", "segments", "authz", "envoy")
MISSING = "Not ready: connectors, profiles."
# A cold start on two cores that are busy with other tests.
START_SECONDS = 90.0

LIST = "segops.segments.v1.SegmentsService/ListSegments"

# What clients send, and what nobody should find in a trace.
SECRETS = ("ana-7f3a", "value-5c21", "query-94b7", "agent-c0de")
USER, VALUE, QUERY, AGENT = SECRETS


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Running]:
    """A platform that sends its traces to the collector."""
    home = tmp_path_factory.mktemp("traced") / "data"
    # OpenTelemetry's own setting: in milliseconds, spans are sent so soon.
    variables = {"SEGOPS_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    running = Running(home, *PROGRAMS, variables=variables)
    try:
        wait_for(lambda: _missing(running) == MISSING, START_SECONDS)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def owner(platform: Running) -> Iterator[Account]:
    with register(f"http://127.0.0.1:{platform.settings.edge_port}") as account:
        account.server.headers["user-agent"] = AGENT
        yield account


def _missing(running: Running) -> str | None:
    try:
        told: str = httpx.get(f"http://127.0.0.1:{running.settings.edge_port}/readyz", verify=False).json()["detail"]
    except (httpx.TransportError, KeyError, ValueError):
        return None
    return told


def traced(collector: Collector, account: Account, method: str, path: str, *last: str, **sent: Any) -> Sequence[Span]:
    """The trace of a request, once it has spans of these names."""
    id_ = f"traced-{secrets.token_hex(8)}"
    headers = {"x-request-id": id_, **sent.pop("headers", {})}
    account.server.request(method, path, headers=headers, **sent)
    # Envoy sends its spans when it has five; others only after five seconds.
    for _ in range(4):
        account.server.get("/api/segments/")

    def arrived() -> Sequence[Span] | None:
        spans = collector.trace_of(id_)
        return spans if {*last, "ingress"} <= {span.name for span in spans} and _is_whole(spans) else None

    return wait_for(arrived)


def _is_whole(spans: Sequence[Span]) -> bool:
    """Whether each span but the first is within another one."""
    ids = {span.id for span in spans}
    return [span.name for span in spans if span.parent not in ids] == ["ingress"]


def lines_with(log: Path, text: str) -> list[str]:
    return [line for line in log.read_text().splitlines() if text in line]


def path_to(spans: Sequence[Span], service: str, name: str) -> list[str]:
    """The processes from Envoy to a process's span of this name, each once."""
    by_id = {span.id: span for span in spans}
    span: Span | None = next(span for span in spans if (span.service, span.name) == (service, name))
    path: list[str] = []
    while span:
        if span.service not in path[:1]:
            path.insert(0, span.service)
        span = by_id.get(span.parent)
    return path


def test_one_request_is_one_trace_from_envoy_to_the_statement(collector: Collector, owner: Account) -> None:
    spans = traced(collector, owner, "GET", f"/api/segments/?search={QUERY}", LIST, "decide")
    assert path_to(spans, "segops-authz", "decide") == ["envoy", "segops-authz"]
    assert path_to(spans, "segops-segments", "SELECT") == ["envoy", "segops-segments"]
    [call] = [span for span in spans if span.name == LIST]
    assert call.attributes["segops.tenant_id"] == str(owner.tenant_id)
    statements = [span.attributes["db.query.text"] for span in spans if span.name == "SELECT"]
    assert any("FROM segments" in statement and "%(" in statement for statement in statements)


def test_a_question_to_the_warehouse_is_in_the_trace_of_who_asked(collector: Collector, owner: Account) -> None:
    spans = traced(
        collector, owner, "POST", "/api/segments/preview/", "warehouse definition", json={"definition": did("bought")}
    )
    assert path_to(spans, "segops-warehouse", "warehouse definition") == [
        "envoy",
        "segops-segments",
        "segops-warehouse",
    ]


def test_an_event_is_followed_into_the_event_log_and_from_there_into_the_warehouse(
    collector: Collector, owner: Account
) -> None:
    event = {"user_id": USER, "event_type": "bought", "properties": {"code": VALUE}}
    spans = traced(collector, owner, "POST", "/api/ingestion/track/", "append to the event log", json=event)
    assert path_to(spans, "segops-ingestion", "append to the event log") == ["envoy", "segops-ingestion"]
    trace = spans[0].trace

    def loaded() -> list[Span]:
        return [span for span in collector.spans if span.name == "load a block" and trace in span.links]

    [block] = wait_for(loaded)
    assert {span.name for span in collector.spans if span.parent == block.id} == {"warehouse load"}


def test_a_refusal_is_no_fault(collector: Collector, owner: Account) -> None:
    rpc = "segops.segments.v1.SegmentsService/GetSegment"
    [call] = [span for span in traced(collector, owner, "GET", "/api/segments/2147483647/", rpc) if span.name == rpc]
    assert (call.attributes["rpc.grpc.status_code"], call.is_error) == ("5", False)


def test_a_client_does_not_choose_its_trace(collector: Collector, owner: Account) -> None:
    theirs = secrets.token_hex(16)
    headers = {"traceparent": f"00-{theirs}-{secrets.token_hex(8)}-01"}
    spans = traced(collector, owner, "GET", "/api/segments/", "decide", headers=headers)
    assert theirs not in {span.trace for span in spans}


def test_logs_name_the_trace(platform: Running, collector: Collector, owner: Account) -> None:
    spans = traced(collector, owner, "GET", "/api/segments/2147483647/", "decide")
    trace = spans[0].trace
    for process in ("envoy", "segments"):
        [line] = wait_for(partial(lines_with, platform.settings.home / "log" / f"{process}.log", trace))
        assert json.loads(line)["trace_id"] == trace


def test_a_trace_holds_nothing_of_what_clients_sent(collector: Collector, owner: Account) -> None:
    sent = (*SECRETS, owner.email, owner.slug, owner.key, owner.access)
    assert [text for text in sent if text in collector.received] == []
    # Alone it is the client's; of servers there are ports with it.
    assert '"127.0.0.1"' not in collector.received


@pytest.mark.parametrize("module", ["services.segments.__main__", "services.warehouse.__main__", "edge.__main__"])
def test_nothing_that_sends_traces_is_loaded_without_a_collector(module: str) -> None:
    script = f"import sys, {module}; sys.exit(any(name.startswith('opentelemetry.exporter') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
