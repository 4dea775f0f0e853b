"""The report of rejected records: NDJSON beside the source, each with its line, the error and the text as it was."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from cli.events.records import Record

SUFFIX = ".rejected.ndjson"
# Kinds of errors that are counted each; errors with a value in them could be millions.
MAX_REASONS = 20
OTHERS = "other errors"


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report."""

    line: int
    error: str
    text: str


_REJECTION = msgspec.json.Decoder(Rejection)


class Report:
    """A report that is added to; without rejections there is no file."""

    def __init__(self, path: Path, reported: int) -> None:
        """Cuts off what an interrupted run wrote behind `reported` bytes: it will come again."""
        self._path = path
        self._file: BinaryIO | None = None
        if not reported:
            path.unlink(missing_ok=True)
        elif path.exists():
            os.truncate(path, min(reported, path.stat().st_size))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def add(self, records: Sequence[tuple[Record, str]]) -> None:
        """Adds records with their errors."""
        if not records:
            return
        if not self._file:
            self._file = self._path.open("ab")
        for record, error in records:
            text = record.text.rstrip(b"\r\n").decode(errors="backslashreplace")
            self._file.write(msgspec.json.encode(Rejection(line=record.line, error=error, text=text)) + b"\n")

    def flush(self) -> int:
        """Puts it onto the disk. Answers its size in bytes."""
        if not self._file:
            return self._path.stat().st_size if self._path.exists() else 0
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()


def read(path: Path) -> Iterator[Rejection]:
    """What a report says."""
    if path.exists():
        with path.open("rb") as file:
            yield from map(_REJECTION.decode, file)


def count_reasons(path: Path) -> Counter[str]:
    """How often each error occurs."""
    counts: Counter[str] = Counter()
    for rejection in read(path):
        reason = rejection.error.partition(" (byte ")[0].removesuffix(".")
        counts[reason if reason in counts or len(counts) < MAX_REASONS else OTHERS] += 1
    return counts
