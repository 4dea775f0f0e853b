"""Where events come from: a file or standard input, plain or gzip."""

import gzip
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

STDIN = Path("-")
BUFFER_BYTES = 1024 * 1024
GZIP_MAGIC = b"\x1f\x8b"
# Of the beginning and of the end of a file; smaller files are looked at whole.
SAMPLE_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Source:
    """An opened source. `content` is unpacked; `size` is that of the file itself, in bytes, when it is known.

    Files with the same `identity` are the same: it is made of the size, the beginning and the end, or of the name
    given to standard input.
    """

    label: str
    # What the files beside it are named after.
    stem: Path
    # Whether a second run can tell that it reads the same.
    lasting: bool
    identity: str
    size: int | None
    content: io.BufferedReader
    _file: BinaryIO

    def read_bytes(self) -> int:
        """How far the file itself was read."""
        return self._file.tell() if self.size is not None else 0


@contextmanager
def open_source(path: Path, name: str = "") -> Iterator[Source]:
    """A file, or standard input for `-`, which only with a name is known again. Raises OSError."""
    if path == STDIN:
        # Never closed: that would wait for a thread that waits for whoever writes into the pipe.
        file = _buffered(io.FileIO(0, closefd=False))
        yield Source(
            label=name or "standard input",
            stem=Path(name or "stdin"),
            lasting=bool(name),
            identity=sha256((name or secrets.token_hex()).encode()).hexdigest(),
            size=None,
            content=_unpacked(file),
            _file=file,
        )
        return
    with _buffered(io.FileIO(path)) as file:
        size = os.fstat(file.fileno()).st_size
        yield Source(
            label=str(path),
            stem=path,
            lasting=True,
            identity=_identity(file, size),
            size=size,
            content=_unpacked(file),
            _file=file,
        )


def _buffered(raw: io.RawIOBase | BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, raw), BUFFER_BYTES)


def _unpacked(file: io.BufferedReader) -> io.BufferedReader:
    return _buffered(cast(BinaryIO, gzip.GzipFile(fileobj=file))) if file.peek(2)[:2] == GZIP_MAGIC else file


def _identity(file: BinaryIO, size: int) -> str:
    digest = sha256(f"{size}:".encode())
    digest.update(file.read(SAMPLE_BYTES))
    file.seek(max(SAMPLE_BYTES, size - SAMPLE_BYTES))
    digest.update(file.read(SAMPLE_BYTES))
    file.seek(0)
    return digest.hexdigest()
