"""Where the files of connectors are: put and got whole, through files of this machine. Raises Refused or TryLater."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from services.connectors.destinations.interface import TryLater
from services.kit.errors import NotFound, Unavailable
from services.kit.objects import Objects


class Folder(Protocol):
    """Files by names without slashes."""

    async def names(self, prefix: str) -> Sequence[str]:
        """The names that begin with a prefix, in any order, with those of drafts that were left behind."""

    async def get(self, name: str, path: Path) -> bool:
        """Writes a file to a path of this machine; False when there is none."""

    async def put(self, name: str, path: Path) -> None:
        """Puts a file of this machine in the place of what was there, whole or not at all."""

    async def delete(self, name: str) -> None:
        """Deletes a file, if it is there."""


class ObjectsFolder:
    """A folder of the operator's storage."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def names(self, prefix: str) -> Sequence[str]:
        async with _failing():
            return [name for name in await self._objects.keys() if name.startswith(prefix)]

    async def get(self, name: str, path: Path) -> bool:
        try:
            async with _failing(), self._objects.reading(name) as reading:
                with path.open("wb") as file:
                    async for part in reading.parts:
                        await self._objects.in_thread(file.write, part)
        except NotFound:
            return False
        return True

    async def put(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            async with _failing(), self._objects.writing(name) as sink:
                await self._objects.in_thread(shutil.copyfileobj, file, sink)

    async def delete(self, name: str) -> None:
        async with _failing():
            await self._objects.delete(name)


def folder_at(url: str, *names: str) -> ObjectsFolder:
    """A folder below a URL as services/kit/objects.py takes it; names are its path there."""
    parts = urlsplit(url)
    return ObjectsFolder(Objects.at(parts._replace(path="/".join([parts.path.rstrip("/"), *names])).geturl()))


@asynccontextmanager
async def _failing() -> AsyncIterator[None]:
    try:
        yield
    except Unavailable as error:
        raise TryLater(error.detail) from error
