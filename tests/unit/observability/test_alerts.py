"""Alerts: each can be read, says how bad it is, and has an entry in the runbook."""

import re

import pytest

from tests.observability import HERE, ROOT, alerts, expressions
from tests.promql import looked_at

RUNBOOK = (ROOT / "docs/runbook.md").read_text()
ENTRIES = re.findall(r"^### (\w+)\n\n(.*?)(?=\n#|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("place", "expression"), expressions().items(), ids=expressions().keys())
def test_every_expression_is_promql_and_looks_at_a_metric(place: str, expression: str) -> None:
    assert looked_at(expression), place


def test_every_alert_has_an_entry_in_the_runbook_and_every_entry_an_alert() -> None:
    assert [name for name, _ in ENTRIES] == list(alerts())


@pytest.mark.parametrize(("name", "text"), ENTRIES)
def test_every_entry_says_what_it_means_where_to_look_and_what_to_do(name: str, text: str) -> None:
    assert [word for word in ("Means", "Look", "Do") if f"**{word}** " not in text] == []


@pytest.mark.parametrize("name", alerts())
def test_every_alert_says_how_bad_it_is_and_leads_to_its_entry(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    assert rule["annotations"]["summary"]


def test_every_alert_is_tried_on_series_of_numbers() -> None:
    tried = re.findall(r'alertname="(\w+)"', (HERE / "alerts_test.yml").read_text())
    assert set(tried) == set(alerts())
