"""What a change of a connector means for its status, its sync and what it has sent."""

from types import SimpleNamespace
from typing import Any

import pytest

from services.connectors.configs import MASK, Divided
from services.connectors.editing import place_of, segment_columns, status_columns, sync_columns
from services.connectors.queueing import may_sync
from tests.unit.connectors.kinds import TOOL


def connector(**columns: object) -> Any:
    """A connector's row."""
    defaults = {
        "id": 1,
        "tenant_id": 1,
        "segment_id": 5,
        "segment_name": "Buyers",
        "status": "inactive",
        "sync_once": False,
        "last_error": None,
    }
    return SimpleNamespace(**{**defaults, **columns})


@pytest.mark.parametrize("before", ["inactive", "error"])
def test_activating_clears_the_error(before: str) -> None:
    activated = {"status": "active", "sync_once": False, "last_error": None}
    assert status_columns(connector(status=before), {"status": "active"}) == activated


@pytest.mark.parametrize("before", ["active", "error"])
def test_a_pause_keeps_the_error_and_the_position(before: str) -> None:
    assert status_columns(connector(status=before), {"status": "inactive"}) == {
        "status": "inactive",
        "sync_once": False,
    }


@pytest.mark.parametrize("status", ["active", "inactive"])
def test_the_same_status_changes_nothing(status: str) -> None:
    assert status_columns(connector(status=status), {"status": status}) == {}
    assert status_columns(connector(status=status, sync_once=True), {}) == {}


def test_a_pause_ends_a_sync_that_was_asked_for_by_hand() -> None:
    assert status_columns(connector(sync_once=True), {"status": "inactive"})["sync_once"] is False


def test_another_segment_keeps_what_was_sent() -> None:
    assert segment_columns(connector(), {"segment": 6}) == {"segment_id": 6}
    assert segment_columns(connector(), {"segment": 5}) == {}
    assert segment_columns(connector(), {}) == {}


def test_a_sync_by_hand_revives_what_is_in_error_and_runs_once_while_paused() -> None:
    assert sync_columns(connector(status="error")) == {"status": "active", "last_error": None}
    assert sync_columns(connector(status="inactive")) == {"sync_once": True}
    assert sync_columns(connector(status="active")) == {}


@pytest.mark.parametrize(
    ("status", "once", "may"),
    [("active", False, True), ("inactive", False, False), ("inactive", True, True), ("error", False, False)],
)
def test_what_is_paused_may_sync_by_hand_only(status: str, once: bool, may: bool) -> None:
    assert may_sync(connector(status=status, sync_once=once)) is may


def test_the_place_is_the_list_whatever_the_secret() -> None:
    def place(list_id: str, key: str) -> str | None:
        public = {"list_id": list_id, "api_key": MASK}
        return place_of(TOOL, connector(), Divided(public=public, secrets={"api_key": key}))

    assert place("L1", "first-secret") == place("L1", "second-secret")
    assert place("L1", "first-secret") != place("L2", "first-secret")


def test_a_configuration_that_its_type_does_not_take_any_more_is_nowhere() -> None:
    assert place_of(TOOL, connector(), Divided(public={"audience": 1}, secrets={})) is None
