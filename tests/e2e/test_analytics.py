"""The numbers for dashboards through the edge, as the published client and others read them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from segops_admin import SegOpsAdmin

from services.gen.segops.analytics.v1 import analytics_pb2 as pb
from services.gen.segops.analytics.v1 import analytics_pb2_grpc
from tests.e2e.account import Account
from tests.e2e.test_connectors import AUDIENCE, sending
from tests.e2e.test_rate_limits import await_minute, put_on_plan
from tests.e2e.test_segments import compute, create, did, ok
from tests.running import Running, wait_for
from tests.standins.server import serving
from tests.standins.talonone import TalonOne

USAGE = "/api/analytics/usage/"
NOTHING = {
    "segment_count": 0,
    "active_segment_count": 0,
    "computed_segment_count": 0,
    "total_members": 0,
    "distinct_members": 0,
    "user_count": 0,
    "event_count": 0,
    "events_30d": 0,
    "events_today": 0,
    "activations": {"active": 0, "inactive": 0, "error": 0},
}
LONG_AGO = (datetime.now(UTC) - timedelta(days=40)).isoformat()
TOMORROW = (datetime.now(UTC) + timedelta(hours=23)).isoformat()


@pytest.fixture
def admin(url: str, owner: Account) -> SegOpsAdmin:
    return SegOpsAdmin(api_key=owner.key, base_url=f"{url}/api", max_retries=0)


@pytest.fixture
def talon() -> Iterator[TalonOne]:
    with serving(TalonOne(AUDIENCE, key="the-key-of-the-tool")) as talon:
        yield talon


def happened(user_id: str, event_type: str = "bought", **fields: str) -> dict[str, str]:
    return {"user_id": user_id, "event_type": event_type, **fields}


def send(owner: Account, *events: object) -> None:
    """Events that are sent, and can be queried."""
    before = owner.server.get(USAGE).json()["events_used"]
    taken = ok(owner.server.post("/api/ingestion/track/batch/", json={"events": events}), 202)
    wait_for(lambda: owner.server.get(USAGE).json()["events_used"] >= before + taken["queued"])


def test_segops_admin_reads_all_numbers(owner: Account, admin: SegOpsAdmin, talon: TalonOne) -> None:
    send(
        owner,
        *(happened(user_id) for user_id in ("ann", "bob", "cid")),
        happened("bob", "seen"),
        happened("anon_tab", "seen"),
        happened("anon_tab", occurred_at=LONG_AGO),
        happened("ann", occurred_at=TOMORROW),
    )
    buyers = create(owner, name="Buyers", definition=did("bought"))["id"]
    seen = create(owner, name="Seen", definition=did("seen"), is_active=False)["id"]
    draft = create(owner, name="Draft")["id"]
    computed = [compute(owner, buyers), compute(owner, seen)]
    assert [segment["member_count"] for segment in computed] == [4, 2]
    ok(owner.server.post("/api/identity/alias/", json={"anonymous_id": "tab", "user_id": "bob"}))
    activation = ok(owner.server.post("/api/activations/", json=sending(buyers, talon)), 201)["id"]
    admin.activations.sync(activation)
    wait_for(lambda: admin.activations.get(activation)["last_synced_at"])

    assert admin.analytics.overview() == {
        "segment_count": 3,
        "active_segment_count": 2,
        "computed_segment_count": 2,
        "total_members": 6,
        "distinct_members": 3,
        "user_count": 3,
        "event_count": 7,
        "events_30d": 5,
        "events_today": 5,
        "activations": {"active": 0, "inactive": 1, "error": 0},
    }
    today = datetime.now(UTC).date()
    days = [str(today - timedelta(days=back)) for back in range(29, -1, -1)]
    assert admin.analytics.segments() == [
        {
            "id": segment["id"],
            "name": segment["name"],
            "status": segment["status"],
            "is_active": segment["is_active"],
            "member_count": segment["member_count"],
            "last_computed_at": segment["last_computed_at"],
            "trend": [{"day": day, "count": segment["member_count"] if day == str(today) else 0} for day in days],
            "change": segment["member_count"],
        }
        for segment in [*computed, ok(owner.server.get(f"/api/segments/{draft}/"))]
    ]
    assert admin.analytics.overlap() == [
        {
            "seg_a_id": buyers,
            "seg_a_name": "Buyers",
            "seg_b_id": seen,
            "seg_b_name": "Seen",
            "overlap": 1,
            "overlap_pct": 100,
        }
    ]
    connector = admin.activations.get(activation)
    assert admin.analytics.activations() == [
        {
            "id": activation,
            "segment_id": buyers,
            "segment_name": "Buyers",
            "connector_type": "talonone",
            "status": connector["status"],
            "last_synced_at": connector["last_synced_at"],
            "last_error": None,
            "member_count": 4,
            "success_rate": 1,
            "sync_logs": ok(owner.server.get(f"/api/activations/{activation}/logs/"))["results"],
        }
    ]


def test_a_new_tenant_has_zeros_and_empty_lists(owner: Account, stranger: Account, admin: SegOpsAdmin) -> None:
    send(stranger, happened("ann"))
    compute(stranger, create(stranger, definition=did("bought"))["id"])
    assert admin.analytics.overview() == NOTHING
    assert [admin.analytics.segments(), admin.analytics.overlap(), admin.analytics.activations()] == [[], [], []]
    assert admin.analytics.usage()["events_used"] == 0


def test_a_shell_script_reads_overview_and_usage(url: str, owner: Account) -> None:
    def cli(command: str) -> Any:
        ended = subprocess.run(
            [Path(sys.executable).with_name("segops-admin"), "analytics", command],
            env=os.environ | {"SEGOPS_API_KEY": owner.key, "SEGOPS_API_URL": f"{url}/api"},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(ended.stdout)

    assert cli("overview") == NOTHING
    assert cli("usage")["plan"] == "enterprise"


def test_numbers_are_read_over_grpc(platform: Running, owner: Account) -> None:
    create(owner, name="Draft")
    metadata = (("authorization", f"Bearer {owner.access}"),)
    with grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}") as channel:
        stub = analytics_pb2_grpc.AnalyticsServiceStub(channel)
        overview = stub.GetOverview(pb.GetOverviewRequest(), metadata=metadata, timeout=30)
        assert MessageToDict(
            overview, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        ) == NOTHING | {"segment_count": 1, "active_segment_count": 1}
        [trend] = stub.ListSegmentTrends(pb.ListSegmentTrendsRequest(), metadata=metadata, timeout=30)
        assert (trend.name, len(trend.trend)) == ("Draft", 30)
        await_minute(5)
        calls = [
            stub.GetUsage(pb.GetUsageRequest(), metadata=metadata, timeout=30).api_calls_last_minute for _ in range(3)
        ]
        assert calls == [calls[0], calls[0] + 1, calls[0] + 2]


def test_usage_agrees_with_what_the_quota_counts(platform: Running, owner: Account, admin: SegOpsAdmin) -> None:
    put_on_plan(platform, owner, "business")
    repeated = happened("ann", message_id="one")
    send(owner, happened("ann"), repeated, repeated, {"user_id": "", "event_type": "bought"})
    send(owner, happened("bob"), repeated)
    now = datetime.now(UTC)
    usage = admin.analytics.usage()
    assert usage == {
        "plan": "business",
        "period_start": f"{now:%Y-%m}-01T00:00:00Z",
        "period_end": f"{(now.replace(day=1) + timedelta(days=31)):%Y-%m}-01T00:00:00Z",
        "events_used": 3,
        "events_limit": 50_000_000,
        "api_calls_last_minute": usage["api_calls_last_minute"],
        "api_calls_limit": 1_000,
    }
    database = platform.database()
    assert database is not None
    with database:
        query = "SELECT events FROM event_counts WHERE tenant_id = %s"
        # What was reserved and not used is given back after five seconds.
        wait_for(lambda: database.execute(query, [owner.tenant_id]).fetchall() == [(3,)])
    put_on_plan(platform, owner, "enterprise")
    wait_for(lambda: admin.analytics.usage()["plan"] == "enterprise")
    send(owner, happened("ann"))
    usage = admin.analytics.usage()
    assert (usage["events_used"], usage["events_limit"], usage["api_calls_limit"]) == (4, None, None)


def test_calls_of_this_minute_are_counted_to_the_last_one(platform: Running, owner: Account) -> None:
    for plan in (["enterprise"], ["enterprise", "--api-calls-per-minute", "100"], ["starter"]):
        put_on_plan(platform, owner, *plan)
        await_minute(5)
        before = owner.server.get(USAGE).json()["api_calls_last_minute"]
        for path in ["/api/segments/", "/api/nope/"] * 10:
            owner.server.get(path)
            owner.person.get(path)
        answer = owner.server.get(USAGE, headers={"x-segops-api-calls": "7"})
        usage = answer.json()
        assert usage["api_calls_last_minute"] == before + 41
        if usage["api_calls_limit"]:
            left = int(answer.headers["x-ratelimit-remaining"])
            assert usage["api_calls_last_minute"] == usage["api_calls_limit"] - left
