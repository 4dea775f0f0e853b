"""The warehouse engine alone: in a process of its own, on a directory that no platform has open."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from services.warehouse import schema
from services.warehouse.engine import EMBEDDED_OPTIONS, EVERYWHERE

P = ParamSpec("P")
T = TypeVar("T")

_opened: list[Client] = []


class Alone:
    """A process with the engine open until the end of the block."""

    def __init__(self, directory: Path) -> None:
        """`directory` is the warehouse's own, inside a platform's data directory."""
        self._pool = ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=_open, initargs=(str(directory),)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls one of this module's functions there."""
        return self._pool.submit(function, *args, **kwargs).result()


def _open(directory: str) -> None:
    # As in the warehouse process: the engine takes its time zone from the process, once.
    os.environ["TZ"] = "UTC"
    client = clickhouse_connect.get_client(
        dsn=f"chdb://{directory}", settings=dict(EVERYWHERE), tz_mode="aware", chdb_options=EMBEDDED_OPTIONS
    )
    schema.create(client)
    _opened.append(client)


def command(statement: str) -> float:
    """Runs a statement; the seconds it took."""
    started = time.perf_counter()
    _opened[0].command(statement)
    return time.perf_counter() - started


def insert(rows: bytes, token: str) -> float:
    """Inserts rows in tab-separated text; the seconds it took."""
    started = time.perf_counter()
    _opened[0].raw_insert(
        "events", insert_block=rows, fmt="TabSeparated", settings={"insert_deduplication_token": token}
    )
    return time.perf_counter() - started


def query_lines(statement: str) -> tuple[int, float]:
    """How many rows a query of one column yields, and the seconds until all of them were read as text."""
    started = time.perf_counter()
    text = _opened[0].raw_query(statement, fmt="TabSeparated")
    return text.count(b"\n"), time.perf_counter() - started


def number(statement: str) -> int:
    """A query's one number."""
    return int(_opened[0].query(statement).result_rows[0][0])


def fingerprint(statement: str) -> tuple[int, int]:
    """How many users a query of one column yields, and a number that tells one set of users from another."""
    rows = _opened[0].query(f"SELECT count(), sum(cityHash64(user_id)) FROM ({statement})").result_rows
    return int(rows[0][0]), int(rows[0][1])
