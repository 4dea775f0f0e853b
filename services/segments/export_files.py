"""The files of exports, written in parts: `user_id` and `computed_at`. Everything here blocks."""

import csv
import io
from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import BinaryIO, Protocol

import pyarrow as pa
from pyarrow import parquet

from services.kit.arrow import strings
from services.kit.wire import rfc3339

COLUMNS = ("user_id", "computed_at")

# Rows that lie together in a Parquet file, and in memory before they are written.
ROW_GROUP = 32_768
# Parquet knows no whole seconds.
MOMENT = pa.timestamp("ms", tz="UTC")
SCHEMA = pa.schema(
    [pa.field(name, kind, nullable=False) for name, kind in zip(COLUMNS, (pa.string(), MOMENT), strict=True)]
)


class ExportFile(Protocol):
    """A file that is being written to an open one."""

    def __init__(self, sink: BinaryIO) -> None: ...

    def write(self, user_ids: Sequence[str], computed_at: datetime) -> None:
        """Adds members of one compute."""

    def close(self) -> None:
        """Writes what is left. The open file stays open. Call it after a failure too."""


class CsvFile:
    """UTF-8 with a header, quoted as in RFC 4180 where needed, lines ending as in Unix."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._write([COLUMNS])

    def write(self, user_ids: Sequence[str], computed_at: datetime) -> None:
        self._write(list(zip(user_ids, repeat(rfc3339(computed_at)), strict=False)))

    def close(self) -> None:
        pass

    def _write(self, rows: Sequence[tuple[str, str]]) -> None:
        lines = io.StringIO(newline="")
        csv.writer(lines, lineterminator="\n").writerows(rows)
        self._sink.write(lines.getvalue().encode())


class ParquetFile:
    """Parquet compressed with Snappy."""

    def __init__(self, sink: BinaryIO) -> None:
        # A dictionary of user ids would hold each of them once, and be thrown away.
        self._writer = parquet.ParquetWriter(sink, SCHEMA, compression="snappy", use_dictionary=["computed_at"])
        self._waiting: list[pa.RecordBatch] = []

    def write(self, user_ids: Sequence[str], computed_at: datetime) -> None:
        columns = [strings(user_ids), _moments(computed_at, len(user_ids))]
        self._waiting.append(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
        if sum(batch.num_rows for batch in self._waiting) >= ROW_GROUP:
            self._write()

    def close(self) -> None:
        self._write()
        self._writer.close()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._writer.write_table(pa.Table.from_batches(waiting, SCHEMA))


# From a buffer, as in services/kit/arrow.py: `pa.scalar` imports pandas, too.
def _moments(moment: datetime, count: int) -> pa.TimestampArray:
    """The whole second of a moment, so often."""
    milliseconds = array("q", [int(moment.timestamp()) * 1000]) * count
    return pa.Array.from_buffers(MOMENT, count, [None, pa.py_buffer(milliseconds)])


FILES: Mapping[str, type[ExportFile]] = {"csv": CsvFile, "parquet": ParquetFile}
CONTENT_TYPES: Mapping[str, str] = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
