"""How far a backup or a restore is, on standard error: bars at a terminal, else a line for each step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Advance = Callable[[float], None]


class Meter:
    """Shows steps one after the other."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Within the block steps are shown."""
        with self._bars:
            yield

    @contextmanager
    def step(self, what: str, total: float | None) -> Iterator[Advance]:
        """One step; `total` is what its advances add up to, None when that is not known."""
        if self._bars.disable:
            self._console.print(f"{what} ...", markup=False, highlight=False, soft_wrap=True)
        task = self._bars.add_task(what, total=total)
        yield lambda amount: self._bars.advance(task, amount)
        self._bars.update(task, total=1, completed=1)
