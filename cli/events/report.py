"""What an import says at its end."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from rich.table import Table
from rich.text import Text

from cli.events import rejections
from cli.events.importing import Import
from cli.output import console

FIRST = 5
SHOWN_CHARACTERS = 100


def summary(imports: Sequence[Import], done_before: Sequence[Import]) -> dict[str, Any]:
    """The counts of each source over all runs, and of all together."""
    sources = [
        {
            "source": one.source.label,
            "status": "done before" if one in done_before else "done" if one.state.done else "interrupted",
            "lines": one.state.position.line,
            "queued": one.state.queued,
            "duplicate": one.state.duplicate,
            "rejected": one.state.rejected,
            "report": str(one.report_path) if one.state.rejected else None,
        }
        for one in imports
    ]
    return {
        "sources": sources,
        "queued": sum(one.state.queued for one in imports),
        "duplicate": sum(one.state.duplicate for one in imports),
        "rejected": sum(one.state.rejected for one in imports),
    }


def show(imports: Sequence[Import], done_before: Sequence[Import]) -> None:
    """The same for people, with the first rejected lines of each source."""
    for source in summary(imports, done_before)["sources"]:
        print(
            f"{source['source']}: {source['status']}, {source['queued']:,} queued, "
            f"{source['duplicate']:,} known before, {source['rejected']:,} rejected"
        )
    for one in imports:
        if one.state.rejected and one not in done_before:
            _show_rejected(one)


def _show_rejected(one: Import) -> None:
    print(f"\nRejected of {one.source.label}, all of them in {one.report_path}:")
    first = Table("line", "error", "text", box=None, header_style="bold")
    for rejection in islice(rejections.read(one.report_path), FIRST):
        first.add_row(str(rejection.line), Text(rejection.error), Text(rejection.text[:SHOWN_CHARACTERS]))
    reasons = Table("count", "error", box=None, header_style="bold")
    for reason, count in rejections.count_reasons(one.report_path).most_common():
        reasons.add_row(f"{count:,}", Text(reason))
    console().print(first, "", reasons, sep="\n")
