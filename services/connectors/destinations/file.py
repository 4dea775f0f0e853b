"""A file with all users of a segment, CSV or Parquet with one column, `user_id`, sorted; kept up to date in its place.

It is `members.csv` in a folder of the connector's own, below SEGOPS_CONNECTORS_FILES_URL: the owner names it, the
operator says where it is. Or it is in a bucket of the owner's, at Amazon or compatible, with the owner's credentials.

Each chunk becomes a file beside it, `members.changes.<number>`. At the end of a sync the list is made anew from the one
before and the changes, in the order of their numbers, and takes its place at once; then the changes are deleted, in the
same order. However that is interrupted, what is there leads to the same list: a chunk that comes again has a later
number than before, and changes that are in the list already change nothing in it, because the last one of each user is
deleted last.

Lists are made on this machine's disk, in the directory for temporary files, so that memory does not grow with them. A
list that is there before the connector's first sync is added to.
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from services.connectors.destinations.fields import BaseUrl
from services.connectors.destinations.folders import Folder, folder_at
from services.connectors.destinations.interface import (
    Audience,
    Chunk,
    Config,
    DestinationType,
    Entry,
    Means,
    Refused,
    Skipped,
)
from services.connectors.destinations.s3 import Bucket, S3Folder
from services.connectors.destinations.user_lists import FORMATS, NoList, make_list, write_changes

MOST_USERS = 10_000
READ_USERS = 1_000
TEMPORARY = "segops-"
DEFAULT_REGION = "us-east-1"
MOVE_IT = "Move it away, and verify the connector with repair."

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
# Folders whose names do not begin with a dot, without slashes at the ends.
PREFIX = r"^[A-Za-z0-9_=-][A-Za-z0-9._=-]*(/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*$"
REGION = r"^[a-z0-9-]{1,40}$"
ACCESS_KEY_ID = r"^[A-Za-z0-9_]{1,128}$"


class FileConfig(Config):
    """`name`: the file's, without its ending. With `bucket` it is in the owner's own, below `prefix`.

    `endpoint`: of what is compatible with S3; by default it is Amazon's in the region.
    """

    format: Literal["csv", "parquet"] = "csv"
    name: str = Field(default="members", pattern=NAME)
    bucket: str | None = Field(default=None, pattern=BUCKET)
    prefix: str | None = Field(default=None, max_length=500, pattern=PREFIX)
    region: str | None = Field(default=None, pattern=REGION)
    endpoint: BaseUrl | None = None
    access_key_id: str | None = Field(default=None, pattern=ACCESS_KEY_ID)
    secret_access_key: SecretStr | None = Field(default=None, min_length=1, max_length=256)

    @model_validator(mode="after")
    def _bucket_is_whole(self) -> Self:
        rest = (self.prefix, self.region, self.endpoint, self.access_key_id, self.secret_access_key)
        if self.bucket is None and any(rest):
            raise ValueError("prefix, region, endpoint and credentials need a bucket")
        if self.bucket is not None and not (self.access_key_id and self.secret_access_key):
            raise ValueError("a bucket needs access_key_id and secret_access_key")
        return self


class File:
    """Keeps one list. One chunk at a time: their order is that of their numbers."""

    chunk_users = MOST_USERS
    parallel = 1

    def __init__(self, folder: Folder, name: str, list_format: str) -> None:
        self._folder = folder
        self._list = f"{name}.{list_format}"
        self._format = FORMATS[list_format]
        self._prefix = f"{name}."
        self._change = re.compile(rf"{name}\.changes\.(\d{{12}})")
        self._left_behind = re.compile(rf"({re.escape(self._list)}|{self._change.pattern})\.\w{{8}}\.part")
        self._last: int | None = None

    async def send(self, chunk: Chunk) -> Sequence[Skipped]:
        await self._write(chunk.entered, chunk.exited)
        return ()

    async def finish(self) -> None:
        names = await self._folder.names(self._prefix)
        changes = self._changes(names)
        if changes or self._list not in names:
            await self._make_list(changes)
        for name in [*changes, *filter(self._left_behind.fullmatch, names)]:
            await self._folder.delete(name)

    def name(self, user_id: str) -> str:
        return user_id

    async def entries(self) -> AsyncGenerator[Entry]:
        with tempfile.TemporaryDirectory(prefix=TEMPORARY) as directory:
            path = Path(directory, "list")
            if not await self._folder.get(self._list, path):
                return
            with closing(self._format.read(path)) as users, self._refusing():
                while part := await asyncio.to_thread(_take, users, READ_USERS):
                    for user in part:
                        yield Entry(handle=user, names=(user,))

    async def remove(self, handles: Sequence[str]) -> None:
        await self._write((), handles)

    async def _write(self, entered: Sequence[str], exited: Sequence[str]) -> None:
        if self._last is None:
            numbers = [name[-12:] for name in self._changes(await self._folder.names(self._prefix))]
            self._last = int(numbers[-1]) if numbers else 0
        self._last += 1
        with tempfile.TemporaryDirectory(prefix=TEMPORARY) as directory:
            path = Path(directory, "changes")
            await asyncio.to_thread(write_changes, path, entered, exited)
            await self._folder.put(f"{self._prefix}changes.{self._last:012d}", path)

    async def _make_list(self, changes: Sequence[str]) -> None:
        with tempfile.TemporaryDirectory(prefix=TEMPORARY) as directory:
            before, target = Path(directory, "before"), Path(directory, "list")
            has_list = await self._folder.get(self._list, before)
            paths = [Path(directory, name) for name in changes]
            for path in paths:
                await self._folder.get(path.name, path)
            with self._refusing():
                await asyncio.to_thread(make_list, self._format, before if has_list else None, paths, target)
            await self._folder.put(self._list, target)

    def _changes(self, names: Sequence[str]) -> Sequence[str]:
        """Those of the names that are of files with changes, in order."""
        return sorted(filter(self._change.fullmatch, names))

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except NoList as error:
            raise Refused(f"{self._list} is no list of users: {error}. {MOVE_IT}") from error


def _take(users: Iterator[str], most: int) -> Sequence[str]:
    return list(islice(users, most))


def _place(config: FileConfig, audience: Audience) -> str:
    where = f"{config.endpoint or config.region} {config.bucket} {config.prefix}" if config.bucket else "files"
    return f"{where} {config.name}.{config.format}"


def _open(config: FileConfig, audience: Audience, means: Means) -> File:
    return File(_folder(config, audience, means), config.name, config.format)


def _folder(config: FileConfig, audience: Audience, means: Means) -> Folder:
    own = f"connector-{audience.activation_id}"
    if not (config.bucket and config.access_key_id and config.secret_access_key):
        return folder_at(means.files_url, f"tenant-{audience.tenant_id}", own)
    region = config.region or DEFAULT_REGION
    bucket = Bucket(
        endpoint=config.endpoint or f"https://s3.{region}.amazonaws.com",
        region=region,
        name=config.bucket,
        prefix=config.prefix or own,
        access_key_id=config.access_key_id,
        secret_access_key=config.secret_access_key.get_secret_value(),
    )
    return S3Folder(bucket, means.outbound)


FILE = DestinationType(name="file", config=FileConfig, place=_place, open=_open)
