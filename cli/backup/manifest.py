"""What a backup says of itself. It is written last: a directory without it is no backup."""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

FORMAT = 1
NAME = "manifest.json"
CHUNK_BYTES = 1024 * 1024


class NoBackup(Exception):
    """There is nothing to restore here; the text says why."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the backup: its SHA-256 and size, and how many rows or messages are in it."""

    path: str
    sha256: str
    bytes: int
    count: int


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream of the event log: configuration and state as JetStream tells them."""

    part: Part
    meta: dict[str, Any]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All of a backup.

    `revision`: the database's. `tables`: parts by table. `sequences`: the last value given out, read when all else was
    copied. `loaded_through`: up to which sequence of the log the warehouse's parts go. `keys`: a hash of each key
    without which what is stored cannot be read.
    """

    version: str
    revision: str
    began_at: datetime
    ended_at: datetime
    tables: dict[str, Part]
    sequences: dict[str, int]
    warehouse: dict[str, Part]
    loaded_through: int
    streams: dict[str, Stream]
    files: dict[str, Part]
    keys: dict[str, str]
    secrets: Part | None = None
    format: int = FORMAT

    def parts(self) -> list[Part]:
        """Every file."""
        streams = [stream.part for stream in self.streams.values()]
        parts = [*self.tables.values(), *self.warehouse.values(), *streams, *self.files.values()]
        return [*parts, self.secrets] if self.secrets else parts


def write(directory: Path, manifest: Manifest) -> None:
    """Makes a directory a backup."""
    draft = directory / f"{NAME}.new"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    draft.rename(directory / NAME)


def read(directory: Path) -> Manifest:
    """What is in a backup. Raises NoBackup."""
    try:
        content = (directory / NAME).read_bytes()
        if json.loads(content).get("format") != FORMAT:
            raise NoBackup(
                f"{directory} was made by another version of segopsctl, in a format that this one cannot read."
            )
        return msgspec.json.decode(content, type=Manifest)
    except FileNotFoundError:
        raise NoBackup(f"{directory} is no backup, or it was not finished: there is no {NAME}.") from None
    except (ValueError, AttributeError) as error:
        raise NoBackup(f"{directory / NAME} is damaged: {error}") from error


def damage(directory: Path, part: Part) -> str:
    """What is wrong with a file of a backup; empty when it is as it was written."""
    try:
        with (directory / part.path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"{part.path}: {error.strerror}"
    return "" if digest == part.sha256 else f"{part.path}: its content is not what was written"
