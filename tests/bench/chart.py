"""The results as a drawing for the README: readable on light and on dark pages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.bench.report import Line, Report, shown

# Greys and blues with contrast on white and on near-black; the page shines through.
INK, OURS, BOUND, GOAL = "#7d8590", "#3b82f6", "#9ca3af", "#f59e0b"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "segops",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
BAR_INCHES, TITLE_INCHES, WIDTH_INCHES = 0.34, 0.75, 8.0


def draw(report: Report, path: Path) -> None:
    """Draws each group of figures that share a unit and a goal or a bound, and writes SVG."""
    groups = _groups(report.lines)
    if not groups:
        return
    heights = [_bars(group) * BAR_INCHES + TITLE_INCHES for group in groups]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, sum(heights)), layout="constrained")
        axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
        for group, axis in zip(groups, axes, strict=True):
            _draw_group(axis, group)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


def _groups(lines: Sequence[Line]) -> list[list[Line]]:
    """What has a bound, by part and unit."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if line.bound:
            groups.setdefault((line.part.partition(",")[0], line.unit), []).append(line)
    return list(groups.values())


def _bars(group: Sequence[Line]) -> int:
    return len(group) + 1


def _draw_group(axis: Axes, group: Sequence[Line]) -> None:
    """A bar for each figure, one for their bound, and a mark at the goal."""
    bound = group[0].bound
    assert bound is not None
    parts = {line.part for line in group}
    names = [line.name if len(parts) == 1 else line.part.partition(", ")[2].partition(":")[0] for line in group]
    values = [*(line.value for line in group), bound.value]
    colours = [*(OURS for _ in group), BOUND]
    axis.barh([*names, bound.name], values, color=colours, height=0.62)
    most = max([*values, *(line.goal for line in group if line.goal)])
    for place, value in enumerate(values):
        axis.text(value + most * 0.01, place, shown(value, group[0].unit), va="center")
    for place, line in enumerate(group):
        if line.goal:
            axis.plot([line.goal] * 2, [place - 0.42, place + 0.42], color=GOAL, linewidth=2)
    axis.set_title(f"{group[0].part.partition(',')[0]}  (mark: goal)", loc="left", fontweight="bold")
    axis.set_xlim(0, most * 1.22)
    axis.invert_yaxis()
    axis.set_xticks([])
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
