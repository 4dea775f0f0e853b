"""The documentation names every metric there is."""

from tests.observability import ROOT
from tests.unit.observability.table import lines

DOCUMENT = (ROOT / "docs/observability.md").read_text().splitlines()


def test_the_table_of_metrics_is_that_of_the_code() -> None:
    assert [line for line in DOCUMENT if line.startswith("| `segops_")] == list(lines())
