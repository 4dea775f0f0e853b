"""Members of segments on the last days, against a walk through all runs."""

from datetime import UTC, date, datetime, timedelta
from random import Random

from services.kit.postgres import Database
from services.profiles.analytics.trends import trends
from tests.integration.analytics.rows import add_run, add_segment

NOW = datetime(2026, 3, 5, 10, 30, tzinfo=UTC)
TODAY = NOW.date()
DAYS = [TODAY - timedelta(days=back) for back in range(29, -1, -1)]

Run = tuple[datetime, int]


def count_on(day: date, runs: list[Run]) -> int:
    """Members at the end of a day, after all its runs."""
    counts = [0, *(members for computed_at, members in runs if computed_at.date() <= day)]
    return counts[-1]


def some_runs(random: Random) -> list[Run]:
    """Runs of the last 45 days, some of them at midnight and a millisecond before it."""
    moments = [
        NOW - timedelta(milliseconds=random.randrange(45 * 86_400_000)) for _ in range(random.choice([0, 1, 10, 60]))
    ]
    midnights = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in random.sample(DAYS, 3)]
    edges = [midnight - timedelta(milliseconds=random.randrange(2)) for midnight in midnights]
    return [(moment, random.randrange(1000)) for moment in sorted({*moments, *edges})]


async def test_every_day_of_every_segment_is_what_its_last_run_left(
    database: Database, tenant_id: int, other_tenant_id: int, random: Random
) -> None:
    expected = []
    for number in range(8):
        runs = some_runs(random) if number else []
        members = runs[-1][1] if runs else 0
        segment_id = await add_segment(database, tenant_id, f"s{number}", member_count=members)
        for run in runs:
            await add_run(database, tenant_id, segment_id, *run)
        days = [(day, count_on(day, runs)) for day in DAYS]
        expected.append((segment_id, f"s{number}", days, days[-1][1] - days[0][1]))
    theirs = await add_segment(database, other_tenant_id, "theirs", member_count=5)
    await add_run(database, other_tenant_id, theirs, NOW, 5)
    found = await trends(database, tenant_id=tenant_id, now=NOW)
    assert [(one.segment.id, one.segment.name, one.days, one.change) for one in found] == expected


async def test_today_is_what_there_is_now(database: Database, tenant_id: int) -> None:
    segment_id = await add_segment(database, tenant_id, "s", member_count=7)
    await add_run(database, tenant_id, segment_id, NOW - timedelta(minutes=1), 9)
    [trend] = await trends(database, tenant_id=tenant_id, now=NOW)
    assert trend.days[-2:] == [(TODAY - timedelta(days=1), 0), (TODAY, 7)]


async def test_a_tenant_without_segments_has_no_trends(database: Database, tenant_id: int) -> None:
    assert await trends(database, tenant_id=tenant_id, now=NOW) == []
