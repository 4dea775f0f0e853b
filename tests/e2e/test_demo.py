"""The demo's real purchase log, loaded as the demo loads it: every segment's members equal an independent count."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from cli.demo.__main__ import CACHE
from cli.demo.client import Workspace, answer, await_visible, compute, open_workspace, send
from cli.demo.dataset import fetch, read
from cli.demo.segments import demo_segments

PURCHASES, CUSTOMERS = 69_659, 23_570

# Each segment of the demo, said again in SQL over the file itself. {now} is the compute's instant.
EXPECTED = {
    "Big spenders": "sum(dollars) >= 500",
    "One-time buyers": "count(*) = 1",
    "Regulars, still here": "count(*) >= 5 AND max(bought) > {now} - INTERVAL ({spring}) DAY",
    "Valuable, but gone": "sum(dollars) >= 200 AND max(bought) < {now} - INTERVAL ({new_year}) DAY",
    "Rising baskets": """count(*) >= 3 AND (avg(dollars) >= 60 OR max(dollars) >= 150)
        AND max(bought) > {now} - INTERVAL ({new_year}) DAY""",
}


@pytest.fixture(scope="module")
def log() -> Path:
    return fetch(CACHE)


@pytest.fixture(scope="module")
def workspace(url: str, log: Path) -> Iterator[Workspace]:
    workspace = open_workspace(url)
    purchases = list(read(log))
    assert send(workspace, purchases, lambda _: None) == PURCHASES
    await_visible(workspace, purchases)
    yield workspace
    workspace.http.close()


def test_every_line_of_the_log_is_stored_also_the_repeated_ones(workspace: Workspace, log: Path) -> None:
    purchases = list(read(log))
    assert len(purchases) == PURCHASES
    assert len(purchases) - len(set(purchases)) == 255
    total = answer(workspace.http.get("/api/explorer/users/?limit=1"))["count"]
    assert total == CUSTOMERS
    body = {"definition": {"logic": "AND", "conditions": [by_count("gte", 1)]}}
    assert answer(workspace.http.post("/api/segments/preview/", json=body))["matched_users"] == CUSTOMERS
    # The most frequent customer has one event for each of their lines.
    ((busiest, lines),) = Counter(purchase.customer for purchase in purchases).most_common(1)
    profile = answer(workspace.http.get(f"/api/explorer/users/customer-{busiest}/"))
    assert profile["event_count"] == lines


def test_every_segment_has_exactly_the_members_of_an_independent_count(workspace: Workspace, log: Path) -> None:
    now = datetime.now(UTC)
    segments = list(compute(workspace, demo_segments(now)))
    assert [segment["name"] for segment in segments] == list(EXPECTED)
    for segment in segments:
        assert segment["status"] == "computed", segment["last_error"]
        at = datetime.fromisoformat(segment["last_computed_at"])
        expected = independent_count(log, EXPECTED[segment["name"]], at)
        assert members(workspace, segment["id"]) == expected
        assert segment["member_count"] == len(expected) > 0


def members(workspace: Workspace, segment_id: int) -> set[str]:
    found: list[str] = []
    cursor = ""
    while True:
        page = answer(workspace.http.get(f"/api/segments/{segment_id}/members/?limit=5000&cursor={cursor}"))
        found += [member["user_id"] for member in page["results"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert found == sorted(set(found))
    return set(found)


def independent_count(log: Path, having: str, now: datetime) -> set[str]:
    days = {
        "spring": (now - datetime(1998, 4, 1, tzinfo=UTC)).days,
        "new_year": (now - datetime(1998, 1, 1, tzinfo=UTC)).days,
    }
    condition = having.format(now=f"TIMESTAMP '{now:%Y-%m-%d %H:%M:%S}'", **days)
    with duckdb.connect() as connection:
        # DuckDB reads the file on its own: fixed columns, dollars as exact decimals, every purchase at noon.
        connection.execute(
            """CREATE TABLE purchases AS
            SELECT word[1] AS customer, strptime(word[2], '%Y%m%d') + INTERVAL 12 HOUR AS bought,
                   word[4]::DECIMAL(18, 2) AS dollars
            FROM (SELECT regexp_split_to_array(trim(line), ' +') AS word
                  FROM read_csv(?, columns = {'line': 'VARCHAR'}, delim = '|', skip = 1, header = false))""",
            [str(log)],
        )
        assert connection.execute("SELECT count(*) FROM purchases").fetchone() == (PURCHASES,)
        query = f"SELECT 'customer-' || customer FROM purchases GROUP BY customer HAVING {condition}"
        return {row[0] for row in connection.execute(query).fetchall()}


def by_count(operator: str, value: int) -> dict[str, object]:
    return {"type": "event_count", "event_type": "order_placed", "operator": operator, "value": value}
