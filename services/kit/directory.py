"""Files in a directory of this machine, readable by their owner only."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import unquote, urlsplit


class LocalDraft:
    """A file under a name of its own, renamed when it is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
        self._draft = Path(name)
        self.file: BinaryIO = os.fdopen(descriptor, "wb")

    def keep(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._draft.replace(self._path)
        _sync(self._path.parent)

    def discard(self) -> None:
        # What is still buffered finds no room on a full disk.
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            self._draft.unlink()


class Directory:
    """The files of one directory, which is made when the first is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def at(cls, url: str) -> Self:
        """The directory at `file:///path`."""
        return cls(Path(unquote(urlsplit(url).path)))

    def create(self, key: str) -> LocalDraft:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalDraft(self._path / key)

    def open(self, key: str) -> tuple[BinaryIO, int] | None:
        try:
            file = (self._path / key).open("rb")
        except FileNotFoundError:
            return None
        return file, os.fstat(file.fileno()).st_size

    def delete(self, key: str) -> None:
        (self._path / key).unlink(missing_ok=True)

    def keys(self) -> Sequence[str]:
        try:
            return [path.name for path in self._path.iterdir()]
        except FileNotFoundError:
            return []


def _sync(directory: Path) -> None:
    """Makes a rename within the directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
