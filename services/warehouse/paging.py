"""Pages of rows, with how many rows there are in all."""

from collections.abc import Mapping
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client

# Whole numbers of 64 bits as numbers, and nothing but the rows and their number.
SETTINGS = {
    "exact_rows_before_limit": 1,
    "output_format_json_quote_64bit_integers": 0,
    "output_format_write_statistics": 0,
}


class _Page(msgspec.Struct):
    data: list[list[Any]]
    rows_before_limit_at_least: int


def page(client: Client, query: str, bound: Mapping[str, object]) -> tuple[int, list[list[Any]]]:
    """How many rows a query with ORDER BY and LIMIT has without its limit, and the rows within it, from one pass.

    Values are those of JSON.
    """
    text = client.raw_query(query, parameters=dict(bound), fmt="JSONCompact", settings=SETTINGS)
    found = msgspec.json.decode(text, type=_Page)
    return found.rows_before_limit_at_least, found.data
