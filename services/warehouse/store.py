"""The statements around definitions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client

from services.warehouse.layout import ONE_ENGINE, Layout


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How a set of users differs from a segment's members, with samples of ids in byte order."""

    entering: int
    leaving: int
    staying: int
    sample_entering_ids: list[str]
    sample_leaving_ids: list[str]


def count_and_sample(client: Client, users: str, sample: int, tag: str) -> tuple[int, list[str]]:
    """How many users a compiled statement yields, and the first `sample` ids in byte order. `tag` names the query."""
    query = f"SELECT count(), groupArraySorted({max(sample, 1)})(user_id) /* {tag} */\nFROM (\n{users}\n)"
    matching, ids = _rows(client, query)[0]
    return matching, list(ids[:sample])


def compare(client: Client, users: str, members: str, sample: int, tag: str) -> Difference:
    """Users that one statement yields and those of another, the members; `sample` and `tag` as before."""
    first = f"groupArraySortedIf({max(sample, 1)})"
    query = f"""
        SELECT countIf(side = 1), countIf(side = 2), countIf(side = 3),
          {first}(user_id, side = 1), {first}(user_id, side = 2) /* {tag} */
        FROM (
          SELECT user_id, sum(side) AS side
          FROM (SELECT user_id, 1 AS side FROM (\n{users}\n) UNION ALL SELECT user_id, 2 AS side FROM (\n{members}\n))
          GROUP BY user_id
        )
    """
    entering, leaving, staying, first_entering, first_leaving = _rows(client, query)[0]
    return Difference(
        entering=entering,
        leaving=leaving,
        staying=staying,
        sample_entering_ids=list(first_entering[:sample]),
        sample_leaving_ids=list(first_leaving[:sample]),
    )


def sorted_users(users: str, tag: str) -> str:
    """The statement that yields the ids of a compiled one in byte order. `tag` names the query."""
    return f"SELECT user_id /* {tag} */\nFROM (\n{users}\n)\nORDER BY user_id"


def kill(client: Client, tag: str, layout: Layout = ONE_ENGINE) -> None:
    """Stops the queries with this tag, if they still run."""
    client.command(
        f"KILL QUERY{layout.on_cluster} "
        "WHERE position(query, {tag:String}) > 0 AND query_id != currentQueryID() ASYNC",
        parameters={"tag": f"/* {tag} */"},
    )


def _rows(client: Client, query: str) -> Sequence[Sequence[Any]]:
    return client.query(query).result_rows
