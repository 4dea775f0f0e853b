"""make demo: a real purchase log through the public API, five segments, a table and a chart."""

import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from cli.demo.client import answer, await_visible, compute, open_workspace, send
from cli.demo.dataset import Purchase, fetch, read
from cli.demo.segments import demo_segments
from services.kit.settings import Settings

CACHE = Path(".cache/demo")
CHART_WIDTH = 48


def main() -> None:
    """Runs the demo against the platform of these settings; a failure is one line and exit status 1."""
    url = f"http://127.0.0.1:{Settings().edge_port}"
    try:
        httpx.get(f"{url}/readyz", timeout=5).raise_for_status()
        show(url)
    except subprocess.CalledProcessError:
        sys.exit("The purchase log could not be fetched with pip; see its message above.")
    except httpx.HTTPStatusError as error:
        sys.exit(f"{error.request.method} {error.request.url.path}: {error.response.status_code} {error.response.text}")
    except httpx.TransportError:
        sys.exit(f"No platform answers at {url}. Start one with `make up` or `make run`.")


def show(url: str) -> None:
    """Loads the log, computes the segments, and prints what came out."""
    console = Console()
    purchases = list(read(fetch(CACHE)))
    customers = len({purchase.customer for purchase in purchases})
    workspace = open_workspace(url)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        loading = progress.add_task("Sending purchases", total=len(purchases), rate="")

        def sent(count: int) -> None:
            progress.advance(loading, count)
            progress.update(loading, rate=f"{progress.tasks[0].speed or 0:,.0f}/s")

        taken = send(workspace, purchases, sent)
        await_visible(workspace, purchases)
        segments = demo_segments(datetime.now(UTC))
        computing = progress.add_task("Computing segments", total=len(segments), rate="")
        computed = []
        for segment in compute(workspace, segments):
            computed.append(segment)
            progress.advance(computing)
    console.print(f"\n{taken:,} purchases by {customers:,} customers, {purchases[0].at:%Y} to 1998.\n")
    table = Table("Segment", "What for", "Members", "Of all", title="Segments", title_justify="left")
    for segment in computed:
        share = f"{segment['member_count'] / customers:.1%}"
        table.add_row(segment["name"], segment["description"], f"{segment['member_count']:,}", share)
    console.print(table)
    chart(console, purchases)
    biggest = answer(workspace.http.get(f"/api/segments/{computed[0]['id']}/members/?limit=1"))["results"][0]["user_id"]
    console.print(f"\nLook around with the key of this demo's tenant, {workspace.slug}:\n")
    headers = f"-H 'Authorization: ApiKey {workspace.key}'"
    for path in (f"segments/membership/?user_id={biggest}", f"explorer/users/{biggest}/"):
        console.print(f"  curl {headers} '{url}/api/{path}'", soft_wrap=True, highlight=False)


def chart(console: Console, purchases: list[Purchase]) -> None:
    """A bar for the dollars of each month."""
    dollars: defaultdict[str, float] = defaultdict(float)
    for purchase in purchases:
        dollars[f"{purchase.at:%Y-%m}"] += purchase.dollars
    most = max(dollars.values())
    console.print("\nDollars by month")
    for month, amount in sorted(dollars.items()):
        console.print(f"  {month} {'█' * round(CHART_WIDTH * amount / most)} {amount:,.0f}", highlight=False)


if __name__ == "__main__":
    main()
