"""What a running platform tells Prometheus: all that alerts and dashboards look at, and nothing that names anybody."""

import re
from collections.abc import Iterator

import httpx
import pytest

from services.kit.settings import METERED
from tests.e2e.account import Account, register
from tests.e2e.test_segments import compute, create, did, ok
from tests.observability import expressions
from tests.promql import Looked, looked_at
from tests.running import Running, wait_for
from tests.scraping import Scrape, scrape

# Prometheus's own.
UP = Looked("up").name
# Values that clients do not choose.
BOUNDED = re.compile(r"[A-Za-z_]+|[0-9.e+-]+|\+Inf|segops\.[a-z]+\.v1\.[A-Za-z]+/[A-Za-z]+")


@pytest.fixture(scope="module")
def account(url: str) -> Iterator[Account]:
    """A tenant that has sent an event, computed a segment and looked somebody up."""
    with register(url) as owner:
        ok(owner.server.post("/api/ingestion/track/", json={"user_id": "ana", "event_type": "bought"}), 202)
        ok(owner.server.post("/api/ingestion/track/", json={"user_id": "ana"}), 400)
        wait_for(lambda: ok(owner.server.get("/api/explorer/users/"))["count"] == 1)
        compute(owner, create(owner, definition=did("bought"))["id"])
        ok(owner.server.get("/api/segments/membership/?user_id=ana"))
        yield owner


@pytest.fixture(scope="module")
def told(platform: Running, account: Account) -> Scrape:
    """What all processes tell after that."""
    return wait_for(lambda: _after_a_look(scrape(platform.settings, *METERED)))


def _after_a_look(told: Scrape) -> Scrape | None:
    """The first scrape in which what is asked for now and then was asked for."""
    names = {sample.name for sample in told.samples}
    return told if "segops_jobs" in names and told.value("segops_loader_loaded_timestamp_seconds") > 0 else None


def exists(told: Scrape, looked: Looked) -> bool:
    return any(
        sample.name == looked.name
        and looked.labels <= sample.labels.keys()
        and all(pattern.fullmatch(sample.labels[name]) for name, pattern in looked.matches.items())
        for sample in told.samples
    )


def test_everything_that_alerts_and_dashboards_look_at_is_told_by_a_process(told: Scrape) -> None:
    missing = [
        (place, looked)
        for place, expression in expressions().items()
        for looked in looked_at(expression)
        if looked.name != UP and not exists(told, looked)
    ]
    assert missing == []


def test_every_process_says_its_name_and_that_it_is_ready(told: Scrape) -> None:
    for process in METERED[:-1]:
        assert told.value("segops_process_info", process=process) == 1
        assert told.value("segops_ready", process=process) == 1
        assert told.value("process_resident_memory_bytes", process=process) > 0


def test_no_label_has_a_value_that_a_client_chose(told: Scrape, account: Account) -> None:
    ours = [sample for sample in told.samples if sample.name.startswith("segops_")]
    strange = {value for sample in ours for value in sample.labels.values() if not BOUNDED.fullmatch(value)}
    assert strange == set()
    assert not {"tenant", "tenant_id", "user", "user_id", "path"} & {name for item in ours for name in item.labels}


def test_calls_are_counted_by_their_status(told: Scrape) -> None:
    track = "segops.ingestion.v1.IngestionService/Track"
    assert told.value("segops_rpc_total", rpc=track, code="OK") >= 1
    assert told.value("segops_rpc_total", rpc=track, code="INVALID_ARGUMENT") >= 1
    assert told.value("segops_rpc_seconds_count", rpc=track) >= 2


def test_an_event_is_counted_where_it_is_taken_written_and_loaded(told: Scrape) -> None:
    assert told.value("segops_ingestion_events_total", outcome="accepted") >= 1
    assert told.value("segops_ingestion_events_total", outcome="invalid") >= 1
    assert told.value("segops_eventlog_publishes_total", process="ingestion", outcome="stored") >= 1
    assert told.value("segops_loader_events_total") >= 1
    assert told.value("segops_loader_delay_seconds_count") >= 1


def test_a_compute_is_a_job_and_work_of_the_warehouse(told: Scrape) -> None:
    assert told.value("segops_job_seconds_count", queue="segments", outcome="done") >= 1
    assert told.value("segops_compute_seconds_count") >= 1
    assert told.value("segops_compute_changes_total") >= 1
    assert told.value("segops_warehouse_query_seconds_count", lane="definition") >= 1


def test_envoy_shows_its_statistics_and_nothing_else_of_its_administration(platform: Running) -> None:
    socket = platform.settings.metrics_address("envoy").removeprefix("unix:")
    with httpx.Client(transport=httpx.HTTPTransport(uds=socket, verify=False)) as neighbour:
        assert neighbour.get("http://envoy/metrics").status_code == 200
        for path in ("/", "/config_dump", "/stats", "/clusters", "/metrics/../config_dump", "/%6detrics"):
            assert neighbour.get(f"http://envoy{path}").status_code == 404
        assert neighbour.post("http://envoy/quitquitquit").status_code == 404
