"""Files in a directory or an S3-compatible bucket, written and read in parts by threads of their own."""

import asyncio
import errno
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, ParamSpec, Protocol, Self, TypeVar
from urllib.parse import urlsplit

from services.kit.bucket import Bucket
from services.kit.directory import Directory
from services.kit.errors import NotFound, Unavailable

log = logging.getLogger("objects")

# Each file that is written or read takes a thread while it waits for the storage, and none in between.
MOST_THREADS = 8
# What a reader who stalls keeps in memory, several times over on its way to the network.
PART_BYTES = 256 * 1024

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

P = ParamSpec("P")
T = TypeVar("T")


class StorageAway(Unavailable):
    """The file storage could not be reached; try again later."""


class StorageFull(Unavailable):
    """The file storage is full; try again later."""


class Draft(Protocol):
    """A file that is being written. Nobody sees it under its key before it is kept."""

    @property
    def file(self) -> BinaryIO:
        """What to write to."""

    def keep(self) -> None:
        """Makes it durable, whole, in the place of what was there under its key."""

    def discard(self) -> None:
        """Leaves nothing of it, whatever failed before."""


class Place(Protocol):
    """Where files are. Its calls block; keys are file names without directories. Raises OSError."""

    def create(self, key: str) -> Draft:
        """Begins a file."""

    def open(self, key: str) -> tuple[BinaryIO, int] | None:
        """A file to read, and its size in bytes; None when there is none."""

    def delete(self, key: str) -> None:
        """Deletes a file, if it is there."""

    def keys(self) -> Sequence[str]:
        """The names of all files, with those of drafts that were left behind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A file that is being read: its size in bytes, and its parts in order."""

    size: int
    parts: AsyncGenerator[bytes]


class Objects:
    """The files of one place. Every call raises StorageAway or StorageFull when the place fails."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="objects")

    @classmethod
    def at(cls, url: str) -> Self:
        """The files at `file:///directory` or `s3://bucket/prefix` (see Bucket). Raises ValueError."""
        places: dict[str, Callable[[str], Place]] = {"file": Directory.at, "s3": Bucket.at}
        return cls(places[urlsplit(url).scheme](url))

    @asynccontextmanager
    async def writing(self, key: str) -> AsyncIterator[BinaryIO]:
        """A file to write to, through `in_thread`: kept at the block's end, discarded when it raises."""
        draft = await self.in_thread(self._place.create, key)
        try:
            yield draft.file
            await self.in_thread(draft.keep)
        except BaseException:
            await self.in_thread(draft.discard)
            raise

    @asynccontextmanager
    async def reading(self, key: str) -> AsyncIterator[Reading]:
        """A file to read in parts, each taken from the place when it is asked for. Raises NotFound."""
        opened = await self.in_thread(self._place.open, key)
        if opened is None:
            raise NotFound
        file, size = opened
        parts = self._parts(file)
        try:
            yield Reading(size=size, parts=parts)
        finally:
            await parts.aclose()
            await self.in_thread(file.close)

    async def delete(self, key: str) -> None:
        """Deletes a file, if it is there."""
        await self.in_thread(self._place.delete, key)

    async def keys(self) -> Sequence[str]:
        """The keys of all files, with the names of drafts that were left behind."""
        return await self.in_thread(self._place.keys)

    async def in_thread(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Does what may block. A caller that is cancelled leaves when that is done, and can clean up after it."""
        work = asyncio.get_running_loop().run_in_executor(self._threads, lambda: action(*args, **kwargs))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise
        except OSError as error:
            log.warning("the file storage failed: %r", error)
            raise (StorageFull if error.errno in FULL else StorageAway) from error

    def close(self) -> None:
        """Lets go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _parts(self, file: BinaryIO) -> AsyncGenerator[bytes]:
        while part := await self.in_thread(file.read, PART_BYTES):
            yield part
