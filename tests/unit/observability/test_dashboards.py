"""Dashboards: what Grafana needs to show them is there, and fits."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.observability import DASHBOARDS, dashboard

GRID_WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One dashboard after the other."""
    path: Path = request.param
    return dashboard(path)


def test_no_two_dashboards_have_the_same_uid_or_title() -> None:
    for key in ("uid", "title"):
        values = [dashboard(path)[key] for path in DASHBOARDS]
        assert len(set(values)) == len(values) == 6


def test_a_dashboard_asks_the_prometheus_that_its_reader_chooses(board: dict[str, Any]) -> None:
    [variable] = board["templating"]["list"]
    assert (variable["type"], variable["name"], variable["query"]) == ("datasource", "datasource", "prometheus")
    for panel in board["panels"]:
        assert [source["datasource"] for source in (panel, *panel["targets"])] == [SOURCE] * (1 + len(panel["targets"]))


def test_panels_have_ids_titles_units_and_a_place_of_their_own(board: dict[str, Any]) -> None:
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] in ("timeseries", "stat")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= GRID_WIDTH
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))
    for one, other in itertools.combinations(panels, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
