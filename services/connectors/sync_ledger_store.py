"""SQL that reads the segments' ledger: what differs between two states, window by window. Sessions are one tenant's."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.connectors.sync_difference import Difference

# Sorts after every user id, of up to 256 characters.
END = "\U0010ffff" * 257

Change = tuple[str, bool]

# Rows are looked up run by run, user by user: a subquery with OFFSET is not merged into the statement around it, so
# that no plan reads a whole table.
_SOURCES = """
WITH runs AS MATERIALIZED (
  SELECT runs.segment_id, runs.id, span.weight
  FROM unnest(CAST(:span_segments AS int[]), CAST(:after_runs AS bigint[]), CAST(:through_runs AS bigint[]),
    CAST(:span_weights AS int[])) AS span (segment_id, after_run, through_run, weight)
  CROSS JOIN LATERAL (
    SELECT * FROM segment_runs
    WHERE segment_id = span.segment_id AND id > span.after_run AND id <= span.through_run
    OFFSET 0) AS runs
  WHERE runs.entered > 0 OR runs.exited > 0),
member_lists AS (
  SELECT * FROM unnest(CAST(:member_segments AS int[]), CAST(:member_weights AS int[]))
    AS list (segment_id, weight))
"""

_WINDOW_ENDS = text(f"""{_SOURCES},
reach AS MATERIALIZED (
  SELECT least(min(user_id), :last) AS user_id FROM (
    SELECT (
      SELECT user_id FROM membership_changes
      WHERE segment_id = runs.segment_id AND run_id = runs.id AND user_id > :after
      ORDER BY user_id OFFSET CAST(:reach_rows AS bigint) LIMIT 1) AS user_id
    FROM runs
    UNION ALL
    SELECT (
      SELECT user_id FROM memberships
      WHERE segment_id = member_lists.segment_id AND user_id > :after
      ORDER BY user_id OFFSET CAST(:reach_rows AS bigint) LIMIT 1)
    FROM member_lists) AS sources)
SELECT user_id FROM (
  SELECT user_id, row_number() OVER (ORDER BY user_id) AS place FROM (
    SELECT changes.user_id
    FROM runs CROSS JOIN reach CROSS JOIN LATERAL (
      SELECT user_id FROM membership_changes
      WHERE segment_id = runs.segment_id AND run_id = runs.id AND user_id > :after AND user_id <= reach.user_id
      OFFSET 0) AS changes
    UNION ALL
    SELECT members.user_id
    FROM member_lists CROSS JOIN reach CROSS JOIN LATERAL (
      SELECT user_id FROM memberships
      WHERE segment_id = member_lists.segment_id AND user_id > :after AND user_id <= reach.user_id
      OFFSET 0) AS members) AS sources) AS places
WHERE place % :rows = 0
UNION SELECT user_id FROM reach
ORDER BY user_id""")

_WINDOW = text(f"""{_SOURCES}
SELECT user_id, sum(weight) > 0 AS entered FROM (
  SELECT changes.user_id, CASE WHEN changes.entered THEN weight ELSE -weight END AS weight
  FROM runs CROSS JOIN LATERAL (
    SELECT user_id, entered FROM membership_changes
    WHERE segment_id = runs.segment_id AND run_id = runs.id AND user_id > :after AND user_id <= :through
    OFFSET 0) AS changes
  UNION ALL
  SELECT members.user_id, weight
  FROM member_lists CROSS JOIN LATERAL (
    SELECT user_id FROM memberships
    WHERE segment_id = member_lists.segment_id AND user_id > :after AND user_id <= :through
    OFFSET 0) AS members) AS weighed
GROUP BY user_id HAVING sum(weight) <> 0 ORDER BY user_id""")


async def window_ends(
    connection: AsyncConnection, difference: Difference, *, after: str, last: str, rows: int, windows: int
) -> Sequence[str]:
    """The users with whom the next windows after one end, in order; `last` is the end of the last ones.

    A window reads about `rows` rows. There are `windows` of them, or more when the rows come from several runs: finding
    their ends takes a sort of all their rows, which a window by itself does not.
    """
    values = {**_values(difference), "after": after, "last": last, "rows": rows, "reach_rows": rows * windows}
    return list((await connection.execute(_WINDOW_ENDS, values)).scalars())


async def changes_between(
    connection: AsyncConnection, difference: Difference, *, after: str, through: str
) -> Sequence[Change]:
    """Who enters (True) and who leaves (False) among the users after one id up to another, in order."""
    values = {**_values(difference), "after": after, "through": through}
    return [(user_id, entered) for user_id, entered in await connection.execute(_WINDOW, values)]


def _values(difference: Difference) -> dict[str, object]:
    spans, members = difference.spans, difference.members
    return {
        "span_segments": [span.segment_id for span in spans],
        "after_runs": [span.after_run for span in spans],
        "through_runs": [span.through_run for span in spans],
        "span_weights": [span.weight for span in spans],
        "member_segments": [member.segment_id for member in members],
        "member_weights": [member.weight for member in members],
    }
