"""Putting a backup into an empty platform, of which PostgreSQL, the event log and the warehouse run, and nothing else.

PostgreSQL comes last and in one transaction: until then there is no tenant, and nobody can use what is half there.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from cli.backup import files, manifest, parts, streams, tables
from cli.backup.creating import connected
from cli.backup.manifest import Manifest, NoBackup
from cli.backup.progress import Meter
from cli.backup.warehouse import Warehouse, warehouse
from services.gen.segops.warehouse.v1 import backup_pb2 as pb
from services.kit.errors import Unavailable
from services.kit.eventlog import STREAM
from services.kit.health import health_of
from services.kit.settings import Settings
from services.schema.migrate import alembic_config, migrate

# Whoever of these runs would write meanwhile.
MUST_BE_AWAY = ("identity", "ingestion", "segments", "connectors", "profiles")
PROBE_SECONDS = 1.0
POLL_SECONDS = 0.2
START_SECONDS = 60.0


def verify(directory: Path, made: Manifest, meter: Meter) -> None:
    """Raises NoBackup unless every file is as it was written."""
    with meter.step("Checksums", sum(part.bytes for part in made.parts())) as advance:
        for part in made.parts():
            if wrong := manifest.damage(directory, part):
                raise NoBackup(f"The backup is damaged. {wrong}")
            advance(part.bytes)


def restore(settings: Settings, directory: Path, meter: Meter) -> Manifest:
    """Restores a backup and compares what is there then with it.

    Raises NoBackup, LogFailed, psycopg's errors and failures.
    """
    made = manifest.read(directory)
    verify(directory, made, meter)
    _check_keys(settings, made)
    _check_alone(settings)
    _await_stores(settings, meter)
    _prepare_database(settings, made)
    asyncio.run(_check_log(settings))
    with warehouse(settings) as process:
        _fill_warehouse(process, directory, made, meter)
        last = asyncio.run(_fill_log(settings, directory, made, meter))
        _load_rest(process, made, last, meter)
    asyncio.run(_forget_again(settings, made))
    _fill_files(settings, directory, made, meter)
    _fill_database(settings, directory, made, meter)
    migrate(settings)
    return made


def put_secrets(settings: Settings, directory: Path) -> int:
    """Puts the keys and secrets of a backup in place, before the first start; how many. Raises NoBackup."""
    made = manifest.read(directory)
    if made.secrets is None:
        raise NoBackup("This backup was made without --with-secrets: copy them from where you keep them.")
    if wrong := manifest.damage(directory, made.secrets):
        raise NoBackup(f"The backup is damaged. {wrong}")
    if settings.secrets_dir.is_dir() and any(settings.secrets_dir.iterdir()):
        raise NoBackup(f"{settings.secrets_dir} holds keys and secrets already; they are not overwritten.")
    return files.unpack(directory, made.secrets, settings.secrets_dir)


def _check_keys(settings: Settings, made: Manifest) -> None:
    here = files.fingerprints(settings)
    if others := [name for name, fingerprint in made.keys.items() if here.get(name) != fingerprint]:
        raise NoBackup(
            f"Other keys were in use when the backup was made: {', '.join(others)} in {settings.secrets_dir}. Stop, "
            "put those of then in place (`segopsctl backup secrets`, or from where you keep them), and start again."
        )


def _check_alone(settings: Settings) -> None:
    for service in MUST_BE_AWAY:
        for address in settings.addresses(service):
            if health_of(address, PROBE_SECONDS) is not None:
                raise NoBackup(f"{service} runs. Restore while only PostgreSQL, the event log and the warehouse do.")


def _await_stores(settings: Settings, meter: Meter) -> None:
    """Returns when the stores, which may have been started just now, answer. Raises the error of the last attempt."""
    deadline = time.monotonic() + START_SECONDS
    with meter.step("Waiting for the stores", None):
        while True:
            try:
                with connected(settings), warehouse(settings) as process:
                    process.loaded()
                    return
            except (psycopg.OperationalError, Unavailable):
                if time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)


def _prepare_database(settings: Settings, made: Manifest) -> None:
    """Brings an empty database to the backup's schema."""
    with connected(settings) as connection:
        here = tables.revision(connection)
        if here is not None and not tables.is_empty(connection):
            raise NoBackup("The database is not empty. Restore into an empty one.")
        _check_revision(made.revision)
        if here not in (None, made.revision) and (strangers := tables.drop_schema(connection, list(made.tables))):
            raise NoBackup(f"The database holds tables that are none of ours: {', '.join(strangers)}.")
    migrate(settings, made.revision)


def _check_revision(revision: str) -> None:
    try:
        ScriptDirectory.from_config(alembic_config()).get_revision(revision)
    except CommandError:
        raise NoBackup(
            f"The backup has revision {revision} of the schema, which this version does not know: it was made by a "
            "newer one. Restore with that."
        ) from None


async def _check_log(settings: Settings) -> None:
    client = await streams.connect(settings)
    try:
        for stream in streams.STREAMS:
            if (info := await streams.find(client, stream)) and info["state"]["messages"]:
                raise NoBackup(f"The event log is not empty: {stream} holds messages. Restore into an empty one.")
    finally:
        await client.close()


def _fill_warehouse(process: Warehouse, directory: Path, made: Manifest, meter: Meter) -> None:
    with meter.step("Warehouse", made.warehouse["events"].count) as advance:

        def pieces() -> Iterator[pb.BackupPiece]:
            for name in ("ids", "events", "intake"):
                for lines in parts.read(directory, made.warehouse[name]):
                    yield pb.BackupPiece(part=name, lines=lines)
                    if name == "events":
                        advance(lines.count(b"\n"))

        answer = process.restore(pieces())
    wanted = {name: made.warehouse[name].count for name in ("events", "ids")}
    _compare("the warehouse", wanted, {"events": answer.events, "ids": answer.ids})


async def _fill_log(settings: Settings, directory: Path, made: Manifest, meter: Meter) -> int:
    """Restores every stream; the sequence of the log's last message."""
    client = await streams.connect(settings)
    try:
        for name, stream in made.streams.items():
            with meter.step(f"Event log: {name}", stream.part.bytes):
                chunks = parts.read(directory, stream.part, streams.CHUNK_BYTES)
                await streams.restore(client, name, stream.meta, chunks, settings.nats_replicas)
            _compare_stream(name, stream.meta, await streams.find(client, name))
        log = await streams.find(client, STREAM)
        return int(log["state"]["last_seq"]) if log and log["state"]["messages"] else made.loaded_through
    finally:
        await client.close()


def _compare_stream(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> None:
    """Messages that live for a time of their own may be over."""
    state = found["state"] if found else {"messages": 0, "last_seq": 0}
    expires = wanted["config"].get("allow_msg_ttl", False)
    if state["last_seq"] < wanted["state"]["last_seq"] or (
        state["messages"] < wanted["state"]["messages"] and not expires
    ):
        raise NoBackup(f"{name} is not whole: it holds {state['messages']} of {wanted['state']['messages']} messages.")


def _load_rest(process: Warehouse, made: Manifest, last: int, meter: Meter) -> None:
    """Has the warehouse load what came while the backup was made, before the log may forget it."""
    process.resume(made.loaded_through)
    with meter.step("Loading what is only in the log", max(last - made.loaded_through, 1)):
        while process.loaded() < last:
            time.sleep(POLL_SECONDS)


async def _forget_again(settings: Settings, made: Manifest) -> None:
    """Lets the log forget messages of the age that it was set to."""
    client = await streams.connect(settings)
    try:
        for name, stream in made.streams.items():
            await streams.configure(client, name, max_age=stream.meta["config"].get("max_age", streams.NO_LIMIT))
    finally:
        await client.close()


def _fill_files(settings: Settings, directory: Path, made: Manifest, meter: Meter) -> None:
    places = files.directories(settings)
    with meter.step("Files", None):
        for name, part in made.files.items():
            if (place := places[name]) is None:
                raise NoBackup(f"The backup has {name} as files, and here they are in a bucket.")
            _compare(name, {"files": part.count}, {"files": files.unpack(directory, part, place)})


def _fill_database(settings: Settings, directory: Path, made: Manifest, meter: Meter) -> None:
    with connected(settings) as connection, meter.step("PostgreSQL", len(made.tables)) as advance:
        rows = {table: lambda part=part: parts.read(directory, part) for table, part in made.tables.items()}
        counts = tables.fill(connection, rows, lambda _: advance(1))
        _compare("PostgreSQL", {table: part.count for table, part in made.tables.items()}, counts)
        tables.advance_sequences(connection, made.sequences)


def _compare(store: str, wanted: Mapping[str, int], found: Mapping[str, int]) -> None:
    """Raises NoBackup unless as much is there as was backed up."""
    for name, count in wanted.items():
        if found.get(name, 0) != count:
            raise NoBackup(f"{store} is not whole: {found.get(name, 0)} of {count} {name} are there.")
