"""How far an import is, on standard error: a bar at a terminal, else a line now and then."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

LINE_SECONDS = 5.0
WAITING = "waiting for the platform"


class _Rate(ProgressColumn):
    """Records a second since the begin."""

    def render(self, task: Task) -> Text:
        return Text(_records(task.fields["records"], task.elapsed or 0))


class Meter:
    """Shows how many bytes of all sources and how many records are through."""

    def __init__(self, total: int | None) -> None:
        """`total` is the size of all sources in bytes, None when one is not known."""
        self._console = Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._total = total
        self._task = self._bar.add_task("", total=total, records=0)
        self._began = self._said = time.monotonic()
        self._label = self._shown = ""
        self._before = self._read = self._records = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, label: str) -> None:
        """Another source begins."""
        self._label, self._before, self._read = label, self._before + self._read, 0
        self._show(label)

    def advance(self, read: int, records: int) -> None:
        """So many bytes of the source are through in all, and so many more records."""
        self._read, self._records = read, self._records + records
        self._bar.update(self._task, completed=self._before + read, records=self._records)
        self._show(self._label)

    def waiting(self) -> None:
        """The platform is away."""
        self._show(WAITING)

    def _show(self, what: str) -> None:
        now = time.monotonic()
        news = what != self._shown
        self._shown = what
        self._bar.update(self._task, description=what)
        if self._bar.disable and (news or now - self._said >= LINE_SECONDS):
            self._said = now
            part = f", {(self._before + self._read) / self._total:.0%}" if self._total else ""
            line = f"{what}: {_records(self._records, now - self._began)}{part}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _records(count: int, seconds: float) -> str:
    return f"{count:,} records, {count / max(seconds, 1e-3):,.0f}/s"
