"""The connections to the warehouse engine: lanes of threads, each thread with its own client."""

import asyncio
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree
from typing import TypeVar
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.kit import traced, tracing
from services.kit.errors import Unavailable
from services.kit.settings import Settings
from services.warehouse import broken_parts, metrics, schema
from services.warehouse.failures import FAILURES, NOT_ENOUGH_SPACE, code_of, is_broken, kind_of, told_to_callers
from services.warehouse.layout import Layout
from services.warehouse.servers import on_cluster, server_client
from services.warehouse.settings import MIB, WarehouseSettings

log = logging.getLogger("warehouse")

T = TypeVar("T")
Work = Callable[[Client], T]
Repair = Callable[[Client, ClickHouseError], None]
Limits = dict[str, int | str]

# Caches of the embedded engine; its defaults are made for a machine of its own and grow to gigabytes.
EMBEDDED_OPTIONS = {
    "mark_cache_size": 64 * MIB,
    "primary_index_cache_size": 32 * MIB,
    "index_mark_cache_size": 16 * MIB,
    "query_condition_cache_size": 16 * MIB,
    "compiled_expression_cache_size": 16 * MIB,
}
# Told, not assumed: defaults differ between the embedded engine, servers and releases.
EVERYWHERE: Limits = {
    "async_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # "basic" reads a time that is none as 1900 instead of refusing it.
    "date_time_input_format": "best_effort",
    # A delete returns when it is done.
    "lightweight_deletes_sync": 2,
    # Longer definitions are refused by the parser before they get here.
    "max_query_size": 16 * MIB,
}
LOADING: Limits = {
    # One thread reads a block's rows: two are no faster below 10 MiB and take the second core from the services.
    "input_format_parallel_parsing": 0,
    "max_insert_threads": 1,
    # No limit of its own: a block that is refused once is refused whenever it is tried again.
    "max_memory_usage": 0,
}
# Look-ups go first. A definition waits at each block while one runs, but for no longer than these milliseconds, so that
# it gets on however many there are.
FIRST: Limits = {"priority": 1}
SECOND: Limits = {"priority": 10, "low_priority_query_wait_time_ms": 10}
# NULL is no value of any column of a ledger.
MIRRORING: Limits = LOADING | {"input_format_null_as_default": 0}


class Lane:
    """Threads that each keep one client: calls on a shared client would wait for each other.

    `repair` is called when what is stored cannot be read; the call that met it fails. It is called too when a disk that
    was full has room again: a merge may have left a part that nobody read yet.
    """

    def __init__(self, name: str, threads: int, connect: Callable[[], Client], repair: Repair | None) -> None:
        self._name = name
        for reason in FAILURES:
            metrics.QUERY_FAILURES.labels(name, reason)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._connect = connect
        self._repair = repair
        self._full: ClickHouseError | None = None
        self._local = threading.local()

    async def run(self, work: Work[T]) -> T:
        """Calls `work` with a client in one of the threads. Driver errors come through as they are."""
        named = {traced.DATABASE: "clickhouse", "code.function.name": getattr(work, "__qualname__", "")}
        with tracing.span(f"warehouse {self._name}", **named):
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._call, work, time.perf_counter())

    async def ask(self, work: Work[T]) -> T:
        """Like `run`, with driver errors as the failures a caller is told."""
        with told_to_callers():
            return await self.run(work)

    def close(self) -> None:
        """Takes no more work. What runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _call(self, work: Work[T], asked: float) -> T:
        started = time.perf_counter()
        metrics.QUERY_WAIT.labels(self._name).observe(started - asked)
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._connect()
        try:
            done = work(client)
        except ClickHouseError as error:
            metrics.QUERY_FAILURES.labels(self._name, kind_of(error)).inc()
            if code_of(error) == NOT_ENOUGH_SPACE:
                self._full = error
            if is_broken(error):
                log.error("what is stored cannot be read: %s", error)
                if self._repair:
                    self._repair(client, error)
            raise
        finally:
            metrics.QUERY_SECONDS.labels(self._name).observe(time.perf_counter() - started)
        if self._full and self._repair:
            self._repair(client, self._full)
        self._full = None
        return done


class Engine:
    """The one place that opens the warehouse.

    `loads` inserts, `erasures` deletes, `mirrors` appends to the mirrors, `lookups` answers short questions,
    `definitions` evaluates definitions, one at a time unless a setting says otherwise. `layout`: where rows are.
    """

    def __init__(self, settings: Settings, own: WarehouseSettings) -> None:
        self._settings = settings
        self.is_embedded = urlsplit(settings.warehouse_dsn).scheme == "chdb"
        self.layout = Layout(cluster="" if self.is_embedded else own.cluster)
        self._own = own
        self._options = EMBEDDED_OPTIONS | {"max_server_memory_usage": own.engine_bytes}
        self._ready = False
        self.loads = self._lane("load", 1, LOADING)
        self._erasures = self._lane("erasure", 1, LOADING)
        self._mirrors = self._lane("mirror", 1, MIRRORING)
        self._lookups = self._lane("lookup", own.lookup_threads, _lookup_limits(own))
        self._definitions = self._lane("definition", own.definition_threads, _definition_limits(own))
        # A backup takes as long as it takes.
        self._backups = self._lane("backup", 1, SECOND | _limits(own.lookup_bytes, 0) | {"max_threads": 1})
        self._health = self._lane("health", 1, _lookup_limits(own))

    @property
    def erasures(self) -> Lane:
        """Deletes, which take a second and hold no load up. Raises Unavailable before the engine is open."""
        return self._opened(self._erasures)

    @property
    def mirrors(self) -> Lane:
        """Appends to the mirror of the ledgers. Raises Unavailable before the engine is open."""
        return self._opened(self._mirrors)

    @property
    def lookups(self) -> Lane:
        """Short questions. Raises Unavailable before the engine is open."""
        return self._opened(self._lookups)

    @property
    def definitions(self) -> Lane:
        """Definitions, few at a time. Raises Unavailable before the engine is open."""
        return self._opened(self._definitions)

    @property
    def backups(self) -> Lane:
        """Whole tables, without a limit of time. Raises Unavailable before the engine is open."""
        return self._opened(self._backups)

    async def open(self) -> None:
        """Opens the engine and makes the tables, once. Raises the driver's error; call it again then."""
        if self._ready:
            return
        await self.loads.run(lambda client: schema.create(client, self.layout))
        if self.is_embedded:
            use_temporary_directory(self._settings.home / "warehouse-tmp")
        self._ready = True

    async def check(self) -> None:
        """Raises unless the engine answers."""
        await self._opened(self._health).run(lambda client: client.command("SELECT 1"))

    def close(self) -> None:
        """Takes no more work."""
        short, long = (self._lookups, self._health), (self._definitions, self._backups)
        for lane in (self.loads, self._erasures, self._mirrors, *short, *long):
            lane.close()

    def _opened(self, lane: Lane) -> Lane:
        if not self._ready:
            raise Unavailable
        return lane

    def _lane(self, name: str, threads: int, limits: Limits) -> Lane:
        # A server sets broken parts aside by itself, or its operator does.
        repair = broken_parts.set_aside if self.is_embedded else None
        return Lane(name, threads, lambda: self._connect(limits), repair)

    def _connect(self, limits: Limits) -> Client:
        dsn, settings = self._settings.warehouse_dsn, EVERYWHERE | limits
        if not self.is_embedded:
            return server_client(dsn, settings | (on_cluster(self._own) if self.layout.cluster else {}))
        return clickhouse_connect.get_client(dsn=dsn, settings=settings, tz_mode="aware", chdb_options=self._options)


def use_temporary_directory(directory: Path) -> None:
    """Makes `directory` the place of temporary files, empty: an insert that was killed left its block behind."""
    rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True)
    tempfile.tempdir = str(directory)


def _lookup_limits(own: WarehouseSettings) -> Limits:
    return FIRST | _limits(own.lookup_bytes, own.lookup_seconds)


def _definition_limits(own: WarehouseSettings) -> Limits:
    return SECOND | _limits(own.definition_bytes, own.definition_seconds)


def _limits(memory_bytes: int, seconds: int) -> Limits:
    return {
        "max_memory_usage": memory_bytes,
        # Above a third of the memory, groups go to disk: 12 % slower instead of refused.
        "max_bytes_before_external_group_by": memory_bytes // 3,
        "max_bytes_before_external_sort": memory_bytes // 3,
        "max_execution_time": seconds,
    }
