"""Making a backup while the platform runs.

PostgreSQL comes first: an erasure that is complete there was complete in every other store when these were copied. Then
the warehouse, with all that the log had acknowledged, then the log itself. Which ids were given out is read last: a
restored platform gives none of them to anybody else, though events under them may be in the log already.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg

from cli.backup import files, manifest, streams, tables
from cli.backup.manifest import Manifest, NoBackup, Part, Stream
from cli.backup.parts import PartWriter
from cli.backup.progress import Meter
from cli.backup.warehouse import warehouse
from services.kit.settings import Settings

CONNECT_SECONDS = 5


def create(settings: Settings, directory: Path, *, with_secrets: bool, meter: Meter) -> Manifest:
    """Writes a backup into an empty directory. Raises NoBackup, LogFailed, psycopg's errors and failures."""
    _claim(directory)
    began = datetime.now(UTC)
    revision, rows = _database(settings, directory, meter)
    kept = _files(settings, directory, meter)
    loaded_through, lines = _warehouse(settings, directory, meter)
    log = asyncio.run(_log(settings, directory, meter))
    with connected(settings) as connection:
        sequences = tables.sequences(connection)
    secrets = _packed(directory, settings.secrets_dir, "secrets.tar.zst") if with_secrets else None
    made = Manifest(
        version=version("segops-platform"),
        revision=revision,
        began_at=began,
        ended_at=datetime.now(UTC),
        tables=rows,
        sequences=sequences,
        warehouse=lines,
        loaded_through=loaded_through,
        streams=log,
        files=kept,
        keys=files.fingerprints(settings),
        secrets=secrets,
    )
    manifest.write(directory, made)
    return made


def _claim(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    if any(directory.iterdir()):
        raise NoBackup(f"{directory} is not empty: a backup has a directory of its own.")


def _database(settings: Settings, directory: Path, meter: Meter) -> tuple[str, dict[str, Part]]:
    made: dict[str, Part] = {}
    with connected(settings) as connection:
        tables.begin_snapshot(connection)
        revision = tables.revision(connection)
        if revision is None:
            raise NoBackup("The database has no schema: there is nothing to back up.")
        names = tables.names(connection)
        with meter.step("PostgreSQL", len(names)) as advance:
            for table in names:
                with PartWriter(directory, f"postgres/{table}.copy.zst") as part:
                    tables.dump(connection, table, part)
                made[table] = part.part()
                advance(1)
    return revision, made


def _files(settings: Settings, directory: Path, meter: Meter) -> dict[str, Part]:
    places = files.directories(settings)
    with meter.step("Files", len(places)):
        return {
            name: _packed(directory, place, f"files/{name}.tar.zst")
            for name, place in places.items()
            if place is not None and place.is_dir()
        }


def _packed(directory: Path, place: Path, path: str) -> Part:
    with PartWriter(directory, path) as part:
        files.pack(place, part)
    return part.part()


def _warehouse(settings: Settings, directory: Path, meter: Meter) -> tuple[int, dict[str, Part]]:
    with warehouse(settings) as process, ExitStack() as stack:
        pieces = process.backup()
        first = next(pieces)
        parts = {
            name: stack.enter_context(PartWriter(directory, f"warehouse/{name}.tsv.zst"))
            for name in ("ids", "events", "intake")
        }
        advance = stack.enter_context(meter.step("Warehouse", first.events))
        for piece in pieces:
            part = parts[piece.part]
            part.write(piece.lines)
            lines = piece.lines.count(b"\n")
            part.count += lines
            if piece.part == "events":
                advance(lines)
    return first.loaded_through, {name: part.part() for name, part in parts.items()}


async def _log(settings: Settings, directory: Path, meter: Meter) -> dict[str, Stream]:
    made: dict[str, Stream] = {}
    client = await streams.connect(settings)
    try:
        for stream in streams.STREAMS:
            if (info := await streams.find(client, stream)) is None:
                continue
            with meter.step(f"Event log: {stream}", info["state"]["bytes"]):
                with PartWriter(directory, f"eventlog/{stream}.snapshot.zst") as part:
                    meta = await streams.snapshot(client, stream, part.write)
                part.count = meta["state"]["messages"]
                made[stream] = Stream(part=part.part(), meta=meta)
    finally:
        await client.close()
    return made


@contextmanager
def connected(settings: Settings) -> Iterator[tables.Connection]:
    """One transaction, which is committed at the end of the block."""
    with psycopg.connect(settings.libpq_dsn, connect_timeout=CONNECT_SECONDS) as connection:
        yield connection
