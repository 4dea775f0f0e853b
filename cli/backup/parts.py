"""Files of a backup: compressed, readable by their owner only, with a checksum of what is on the disk."""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from cli.backup.manifest import CHUNK_BYTES, Part

CODEC = "zstd"


class PartWriter:
    """Writes one file. `count` is what is in it, for its writer to say; `written` the bytes before compression."""

    def __init__(self, directory: Path, path: str) -> None:
        self._path = path
        self._raw = _Hashing(directory / path)
        self._out = pa.CompressedOutputStream(pa.PythonFile(self._raw, "w"), CODEC)
        self.count = self.written = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Adds to the file."""
        self._out.write(data)
        self.written += len(data)

    def part(self) -> Part:
        """The file that was written and closed."""
        return Part(path=self._path, sha256=self._raw.digest.hexdigest(), bytes=self._raw.size, count=self.count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()
        self._raw.close()


class _Hashing(io.RawIOBase):
    """A new file, its checksum and its size; it is on the disk when it is closed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.digest.update(data)
        self.size += len(data)
        return self._file.write(data)

    def close(self) -> None:
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        super().close()


def read(directory: Path, part: Part, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The content of a file, in pieces."""
    with pa.CompressedInputStream(pa.OSFile(str(directory / part.path)), CODEC) as source:
        while data := source.read(chunk_bytes):
            yield data
