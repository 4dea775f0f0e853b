import csv
import errno
import gc
import io
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pyarrow import parquet
from typing_extensions import Buffer

from services.segments.export_files import FILES, ROW_GROUP, SCHEMA

COMPUTED = datetime(2026, 4, 25, 16, 32, 7, 999_000, tzinfo=timezone(timedelta(hours=2)))
SHOWN = datetime(2026, 4, 25, 14, 32, 7, tzinfo=UTC)
ODD = ["a,b", 'say "hi"', " padded ", "Größe", "日本🎌", "'; --", "=1+1", "\\N", "\\.", "x" * 256]


class Full(io.BytesIO):
    """A file on a disk with room for a few bytes."""

    def write(self, data: Buffer, /) -> int:
        if self.tell() + memoryview(data).nbytes > 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def written(file_format: str, *chunks: list[str]) -> bytes:
    sink = io.BytesIO()
    file = FILES[file_format](sink)
    for chunk in chunks:
        file.write(chunk, COMPUTED)
    file.close()
    return sink.getvalue()


def test_csv_quotes_what_needs_it_and_says_whole_seconds() -> None:
    assert written("csv", ["plain", "a,b"], ['say "hi"', "Größe"]).decode() == (
        "user_id,computed_at\n"
        "plain,2026-04-25T14:32:07Z\n"
        '"a,b",2026-04-25T14:32:07Z\n'
        '"say ""hi""",2026-04-25T14:32:07Z\n'
        "Größe,2026-04-25T14:32:07Z\n"
    )


def test_csv_is_read_as_it_was_written() -> None:
    rows = list(csv.reader(io.StringIO(written("csv", ODD[:5], ODD[5:]).decode(), newline="")))
    assert rows == [["user_id", "computed_at"], *([user_id, "2026-04-25T14:32:07Z"] for user_id in ODD)]


def test_parquet_is_read_as_it_was_written() -> None:
    table = parquet.read_table(io.BytesIO(written("parquet", ODD[:5], ODD[5:])))
    assert table.schema.equals(SCHEMA)
    assert table.to_pylist() == [{"user_id": user_id, "computed_at": SHOWN} for user_id in ODD]


def test_parquet_has_large_row_groups_compressed_with_snappy() -> None:
    chunks = [[f"user-{number:06}" for number in range(start, start + 1000)] for start in range(0, 2 * ROW_GROUP, 1000)]
    metadata = parquet.read_metadata(io.BytesIO(written("parquet", *chunks)))
    assert metadata.num_rows == 1000 * len(chunks)
    assert metadata.num_row_groups == 2
    assert {metadata.row_group(0).column(place).compression for place in range(2)} == {"SNAPPY"}


def test_files_of_nobody_have_columns() -> None:
    assert written("csv") == b"user_id,computed_at\n"
    table = parquet.read_table(io.BytesIO(written("parquet")))
    assert (table.num_rows, table.schema.names) == (0, ["user_id", "computed_at"])


def test_a_full_disk_fails_the_file_and_nothing_later(monkeypatch: pytest.MonkeyPatch) -> None:
    ignored: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    sink = Full()
    file = FILES["parquet"](sink)
    file.write(["x" * 256 * 100], COMPUTED)
    with pytest.raises(OSError, match="No space left"):
        file.close()
    sink.close()
    del file
    gc.collect()
    assert ignored == []
