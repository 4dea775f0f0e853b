"""docs/scaling.md says what the figures of docs/benchmarks.json make of it."""

from tests.bench.scaling import DOCS, SIZES, cells, filled, read_figures, tables


def test_the_document_is_current() -> None:
    written = (DOCS / "scaling.md").read_text()
    assert filled(written, tables(read_figures())) == written, "run python -m tests.bench.scaling"


def test_a_million_events_a_second_are_more_than_one_log_takes() -> None:
    small, _, large = SIZES
    figures = read_figures()
    assert cells(small, figures) == 1 < cells(large, figures)
