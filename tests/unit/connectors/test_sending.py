"""What webhooks are sent, and what becomes of a delivery after an attempt."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from segops_admin.webhook import verify_webhook

from services.connectors.deliveries import body_of, headers_of
from services.connectors.sending import Attempt, outcome
from services.connectors.sync_patience import Patience

NOW = datetime(2026, 4, 25, 14, 32, tzinfo=UTC)
PATIENCE = Patience(first=timedelta(seconds=10), longest=timedelta(minutes=10), give_up=timedelta(hours=24))


def after(attempt: Attempt, *, asked: timedelta = timedelta(0), attempts: int = 0) -> dict[str, Any]:
    """What becomes of a delivery that was asked for so long ago."""
    delivery: Any = SimpleNamespace(attempts=attempts, asked_at=NOW - asked)
    return dict(outcome(attempt, delivery, PATIENCE, NOW))


def wait(columns: dict[str, Any]) -> float:
    """The seconds until the next attempt, which are added to PostgreSQL's own time."""
    seconds: timedelta = columns["next_attempt_at"].right.value
    return seconds.total_seconds()


def test_the_body_is_what_the_contract_says_in_its_order() -> None:
    run: Any = SimpleNamespace(
        tenant_slug="acme",
        segment_id=7,
        segment_name='Käufer "Gold"',
        member_count=0,
        computed_at=NOW + timedelta(milliseconds=999),
    )
    body = body_of(run)
    assert list(json.loads(body).items()) == [
        ("event", "segment.recomputed"),
        ("tenant_slug", "acme"),
        ("segment_id", 7),
        ("segment_name", 'Käufer "Gold"'),
        ("member_count", 0),
        ("computed_at", "2026-04-25T14:32:00Z"),
    ]


def test_a_body_is_signed_with_the_secret_in_utf_8() -> None:
    body = '{"a": "ü"}'.encode()
    headers = headers_of("id", body, "geheim-ß")
    assert headers.keys() == {"Content-Type", "X-SegOps-Delivery", "X-SegOps-Signature"}
    assert verify_webhook(body, headers["X-SegOps-Signature"], "geheim-ß")
    assert "X-SegOps-Signature" not in headers_of("id", body, None)


def test_a_success_is_the_end() -> None:
    columns = after(Attempt(response_status=204), attempts=3, asked=timedelta(hours=30))
    assert (columns["status"], columns["attempts"], columns["response_status"]) == ("delivered", 4, 204)
    assert columns["error"] is columns["next_attempt_at"] is None
    assert "delivered_at" in columns


def test_what_is_of_no_use_is_not_tried_again() -> None:
    columns = after(Attempt(error="no", is_last=True))
    assert (columns["status"], columns["error"], columns["next_attempt_at"]) == ("failed", "no", None)


def test_a_failure_is_tried_again_for_a_day() -> None:
    for hours, is_given_up in ((0, False), (23.9, False), (24, True), (100, True)):
        columns = after(Attempt(error="no", response_status=500), asked=timedelta(hours=hours))
        assert (columns.get("status") == "failed") is is_given_up
        assert (columns["next_attempt_at"] is None) is is_given_up
        assert (columns["error"], columns["attempts"], columns["response_status"]) == ("no", 1, 500)


@pytest.mark.parametrize(("asked", "low", "high"), [(0, 5, 10), (100, 50, 100), (80_000, 300, 600)])
def test_the_waits_grow_and_differ(asked: int, low: float, high: float) -> None:
    waits = [wait(after(Attempt(error="no"), asked=timedelta(seconds=asked))) for _ in range(50)]
    assert all(low <= seconds <= high for seconds in waits)
    assert len(set(waits)) > 40


def test_a_receiver_that_asks_for_time_gets_it_within_a_day() -> None:
    assert wait(after(Attempt(error="no", seconds=3_000))) == 3_000
    assert wait(after(Attempt(error="no", seconds=1e12))) == 86_400
    assert 5 <= wait(after(Attempt(error="no", seconds=0))) <= 10
