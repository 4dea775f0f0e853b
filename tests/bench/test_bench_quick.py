"""Each part of the benchmark for a moment: nothing is lost, nothing fails, and the results have their shape."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvloop

from services.definition import parse
from services.warehouse.compiler import compile_definition
from tests.bench import (
    alone,
    busy,
    compute,
    conditions,
    connectors,
    dataset,
    endurance,
    events,
    growth,
    ingest,
    lines,
    membership,
    overload,
    profiles,
    singles,
    trivial,
)
from tests.bench.alone import Alone
from tests.bench.chart import draw
from tests.bench.load import LoadFailed, request, run_load
from tests.bench.platform import edge_url
from tests.bench.report import Report
from tests.bench.usage import memory
from tests.e2e.account import Account, register
from tests.running import Running

USERS, BODIES, SECONDS = 100, 4, 1.0
EVERYBODY = {
    "logic": "AND",
    "conditions": [{"type": "event_count", "event_type": "page_viewed", "operator": "gte", "value": 1}],
}


@pytest.fixture(scope="module")
def account(platform: Running) -> Iterator[Account]:
    with register(edge_url(platform)) as account:
        yield account


@pytest.fixture(scope="module")
def bodies() -> list[bytes]:
    return events.batch_bodies(BODIES, USERS)


@pytest.fixture(scope="module")
def loaded(platform: Running, account: Account, bodies: list[bytes]) -> ingest.Ingest:
    return uvloop.run(ingest.measure(platform, account, bodies, seconds=SECONDS))


@pytest.fixture(scope="module")
def segment_id(account: Account, loaded: ingest.Ingest) -> int:
    return compute.create(account, EVERYBODY)


def test_every_accepted_event_is_stored(account: Account, loaded: ingest.Ingest) -> None:
    page = account.server.get("/api/explorer/users/?limit=200").json()
    stored = {user["user_id"]: user["event_count"] for user in page["results"]}
    assert page["count"] == len(stored) == USERS + loaded.markers
    assert sum(stored.values()) == loaded.events + loaded.markers
    assert loaded.markers > 0


def test_single_events_are_sent_at_a_pace(platform: Running, stranger: Account, bodies: list[bytes]) -> None:
    sent = uvloop.run(singles.measure(platform, stranger.key, events.single_bodies(bodies), seconds=SECONDS, rate=50))
    # One at each end.
    assert 40 <= sent.requests <= 51
    assert all(line.value > 0 for line in lines.of_singles(sent, sent))


def test_memory_is_sampled_during_a_load(platform: Running, stranger: Account, bodies: list[bytes]) -> None:
    found = uvloop.run(endurance.measure(platform, stranger, bodies, seconds=SECONDS, rate=5_000))
    assert {len(values) for values in found.resident.values()} == {endurance.SAMPLES}
    assert {"ingestion", "warehouse", "envoy"} <= found.growth().keys()
    assert len(lines.of_endurance(found)) == len(found.resident)


def test_growth_of_memory_is_that_after_the_warm_up(loaded: ingest.Ingest) -> None:
    found = endurance.Endurance(ingest=loaded, resident={"a": [0, 50, 90, 100, 100, 100, 100, 107, 107, 107]})
    # [100, 100, 100] against [100, 107, 107, 107]
    assert found.growth() == {"a": 5.25}


def test_computes_and_checks_yield_a_report(
    platform: Running, account: Account, loaded: ingest.Ingest, segment_id: int, tmp_path: Path
) -> None:
    first, again = (compute.measure(platform, account, segment_id) for _ in range(2))
    assert [first.members, again.members] == [USERS, USERS]
    users = compute.members(account, segment_id, USERS)
    assert len(set(users)) == USERS
    checks = uvloop.run(membership.measure(platform, account, segment_id, users, seconds=SECONDS))
    report = Report(quick=True)
    report.lines += lines.of_memory(memory(platform))
    report.lines += lines.of_ingest(loaded, loaded, raw_rate=1e6)
    report.lines += lines.of_membership(checks)
    report.lines += lines.of_compute(first, again, by_hand=0.001)
    report.write(tmp_path / "results.json")
    draw(report, tmp_path / "results.svg")
    written = json.loads((tmp_path / "results.json").read_text())
    assert {line["part"].partition(",")[0] for line in written["lines"]} == {
        "Idle after the start",
        "Ingest",
        "Membership",
        "Compute",
    }
    assert all(line["value"] > 0 for line in written["lines"])
    assert (tmp_path / "results.svg").read_text().startswith("<?xml")
    assert report.table().row_count > len(report.lines)


def test_checks_go_on_while_a_segment_is_computed_and_events_are_loaded(
    platform: Running, account: Account, loaded: ingest.Ingest, segment_id: int, bodies: list[bytes]
) -> None:
    compute.measure(platform, account, segment_id)
    users = compute.members(account, segment_id, USERS)
    loads = itertools.cycle(events.batch_requests(bodies, account.key))
    found = uvloop.run(busy.measure(platform, account, segment_id, users, loads, seconds=SECONDS))
    assert found.computes > 0
    assert found.checks.requests > 0
    assert all(line.value > 0 for line in lines.of_busy(found))


def test_users_are_looked_up_beside_events_and_heavy_queries(
    platform: Running, account: Account, loaded: ingest.Ingest, segment_id: int, bodies: list[bytes]
) -> None:
    compute.measure(platform, account, segment_id)
    loads = itertools.cycle(events.batch_requests(bodies, account.key))
    found = uvloop.run(profiles.measure(platform, account, segment_id, loads, users=USERS, seconds=SECONDS))
    assert found.queries > 0
    assert found.beside_events.keys() == found.beside_queries.keys() == lines.READ_MS.keys()
    assert all(line.value > 0 for line in lines.of_profiles(found))


def test_what_is_offered_twice_over_is_answered_or_refused(
    platform: Running, account: Account, segment_id: int
) -> None:
    found = uvloop.run(overload.measure(platform, account, ["user-1"], seconds=SECONDS))
    assert found.during.requests > 0
    offered = 2 * found.before.rate * SECONDS
    assert 0.9 * offered < found.during.requests + found.shed < 1.1 * offered
    assert found.after.requests > 0
    # None need be refused: two cores may wait for this generator.
    assert all(line.value > 0 for line in lines.of_overload(found) if line.name != "refused with 503")


def test_users_who_change_are_in_the_next_compute(platform: Running, stranger: Account) -> None:
    segment_id = compute.create(stranger, compute.DEFINITION)
    compute.change(stranger, 3)
    assert compute.measure(platform, stranger, segment_id).members == 3


def test_a_wrong_answer_makes_a_load_fail(platform: Running) -> None:
    port = platform.settings.edge_port
    unauthorized = iter([request("GET", membership.PATH)] * 1000)
    load = uvloop.run(run_load(port, unauthorized, is_right=lambda answer: answer.status == 200, seconds=0.1))
    with pytest.raises(LoadFailed, match="requests failed; the first: 401"):
        load.raise_errors()


def test_the_generator_is_measured_alone(bodies: list[bytes]) -> None:
    cost = uvloop.run(trivial.measure(events.batch_requests(bodies, "k"), 0.2))
    assert 0 < cost.core_seconds < 1


def test_the_query_by_hand_means_what_the_definition_means(tmp_path: Path) -> None:
    dataset.generate(tmp_path / "warehouse", tenant_id=1, events=20_000, users=1000, done=lambda _: None)
    now = datetime.now(UTC).replace(microsecond=0)
    compiled = compile_definition(parse(compute.DEFINITION), tenant_id=1, now=now).sql
    by_hand = compute.BY_HAND.format(tenant_id=1, now=f"{now:%Y-%m-%d %H:%M:%S}")
    with Alone(tmp_path / "warehouse") as engine:
        assert engine.run(alone.number, "SELECT uniqExact(event_id) FROM events WHERE isValidJSON(payload)") == 20_000
        assert engine.run(alone.query_lines, by_hand)[0] == engine.run(alone.query_lines, compiled)[0] > 0


def test_every_definition_is_compared_with_queries_that_find_the_same_users(tmp_path: Path) -> None:
    dataset.generate(tmp_path / "warehouse", tenant_id=1, events=50_000, users=1000, done=lambda _: None)
    asked: list[int] = []
    compared = conditions.measure(tmp_path / "warehouse", rounds=1, done=asked.append)
    assert len(asked) == len(compared) == len(conditions.QUESTIONS)
    assert all(comparison.users for comparison in compared)
    assert all(line.value > 0 for line in lines.of_conditions(compared))


def test_first_syncs_are_measured_and_lose_nobody(tmp_path: Path) -> None:
    syncs = connectors.measure(tmp_path / "data", 5_000)
    assert [(sync.vendor, sync.users) for sync in syncs] == [("Braze", 5_000), ("Klaviyo", 5_000)]
    assert all(line.value > 0 for line in lines.of_connectors(syncs))


def test_growth_is_measured_on_a_platform_of_its_own(tmp_path: Path) -> None:
    sizes = growth.measure(tmp_path, [30_000], users=1000, done=lambda _: None)
    assert [size.events for size in sizes] == [30_000]
    assert all(line.value > 0 for line in lines.of_growth(sizes))


def test_the_same_rows_are_inserted_raw(tmp_path: Path, bodies: list[bytes]) -> None:
    inserted: list[int] = []
    assert ingest.raw_insert_rate(tmp_path / "raw", bodies, 0.2, inserted.append) > 0
    with Alone(tmp_path / "raw") as engine:
        assert engine.run(alone.number, "SELECT count() FROM events") == sum(inserted)
