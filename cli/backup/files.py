"""Directories of a backup: exports, the connectors' files, keys and secrets."""

import hashlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cli.backup.manifest import NoBackup, Part
from cli.backup.parts import CODEC, PartWriter
from services.kit.keys import CONNECTORS_KEY, ERASURE_KEY, IDENTITY_KEY, INGESTION_KEY
from services.kit.secret_files import FileSettings
from services.kit.settings import Settings

# Without these what is stored cannot be read, or those who were erased are not known.
NEEDED_KEYS = (IDENTITY_KEY, CONNECTORS_KEY, INGESTION_KEY, ERASURE_KEY)
FINGERPRINT_CHARACTERS = 32


class _Places(FileSettings):
    """Where the services keep their files; see the settings of segments and connectors."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_")

    exports_url: str = Field(default="", description="As the segments process reads it.")
    connectors_files_url: str = Field(default="", description="As the connectors process reads it.")


def directories(settings: Settings) -> dict[str, Path | None]:
    """Where files are, by what they are; None for a bucket, which is not part of a backup."""
    places = _Places()
    return {
        "exports": _directory(places.exports_url, settings.home / "exports"),
        "connectors": _directory(places.connectors_files_url, settings.home / "connectors"),
    }


def pack(directory: Path, part: PartWriter) -> None:
    """Writes the files below a directory; those that go away meanwhile are left out."""
    with tarfile.open(fileobj=cast(IO[bytes], part), mode="w|") as archive:
        for path in sorted(path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()):
            try:
                with path.open("rb") as file:
                    archive.addfile(archive.gettarinfo(fileobj=file, arcname=str(path.relative_to(directory))), file)
            except FileNotFoundError:
                continue
            part.count += 1


def unpack(backup: Path, part: Part, directory: Path) -> int:
    """Puts the files of a part below a directory, over none that is there; how many. Raises NoBackup."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    count = 0
    for name, content in _files(backup, part):
        path = directory / name
        if not path.resolve().is_relative_to(directory.resolve()):
            raise NoBackup(f"{part.path} holds a file that belongs elsewhere: {name}")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            while data := content.read(1024 * 1024):
                file.write(data)
        count += 1
    return count


def fingerprints(settings: Settings) -> dict[str, str]:
    """A hash of each needed key that is there. The keys are random, so that it tells nothing of them."""
    return {
        name: hashlib.sha256(b"segops backup\0" + (settings.secrets_dir / name).read_bytes()).hexdigest()[
            :FINGERPRINT_CHARACTERS
        ]
        for name in NEEDED_KEYS
        if (settings.secrets_dir / name).exists()
    }


def _files(backup: Path, part: Part) -> Iterator[tuple[str, IO[bytes]]]:
    with (
        pa.CompressedInputStream(pa.OSFile(str(backup / part.path)), CODEC) as source,
        tarfile.open(fileobj=source, mode="r|") as archive,
    ):
        for member in archive:
            if member.isfile() and (content := archive.extractfile(member)):
                yield member.name, content


def _directory(url: str, default: Path) -> Path | None:
    if not url:
        return default
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
