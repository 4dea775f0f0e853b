"""What the commands of `segopsctl backup` do, and how they end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psycopg
from nats.errors import Error as NatsError
from rich.table import Table

from cli.backup import creating, manifest, restoring
from cli.backup.manifest import Manifest, NoBackup
from cli.backup.progress import Meter
from cli.backup.streams import LogFailed
from cli.output import console, print_json
from cli.platform import AWAY, REFUSED, leave
from services.kit.errors import Failure, Unavailable
from services.kit.settings import Settings


def create(directory: Path, *, with_secrets: bool, as_json: bool) -> None:
    """Makes a backup."""
    with _failures(), (meter := Meter()).shown():
        made = creating.create(Settings(), directory, with_secrets=with_secrets, meter=meter)
    _show(made, as_json=as_json)


def verify(directory: Path, *, as_json: bool) -> None:
    """Checks a backup."""
    with _failures(), (meter := Meter()).shown():
        made = manifest.read(directory)
        restoring.verify(directory, made, meter)
    _show(made, as_json=as_json)


def restore(directory: Path, *, as_json: bool) -> None:
    """Restores a backup."""
    with _failures(), (meter := Meter()).shown():
        made = restoring.restore(Settings(), directory, meter)
    _show(made, as_json=as_json)


def put_secrets(directory: Path) -> None:
    """Puts the keys and secrets of a backup in place."""
    with _failures():
        count = restoring.put_secrets(Settings(), directory)
    print(f"{count} keys and secrets are in place.")


@contextmanager
def _failures() -> Iterator[None]:
    """Ends the command with what went wrong as one line."""
    try:
        yield
    except (NoBackup, LogFailed) as failure:
        leave(str(failure), REFUSED)
    except Unavailable as failure:
        leave(failure.detail or "The warehouse does not answer. Does it run?", AWAY)
    except Failure as failure:
        leave(failure.detail, REFUSED)
    except psycopg.OperationalError as error:
        leave(f"PostgreSQL does not answer: {error}".strip(), AWAY)
    except psycopg.Error as error:
        leave(f"PostgreSQL refused: {error.diag.message_primary or error}", REFUSED)
    except NatsError as error:
        leave(f"The event log does not answer: {error!r}", AWAY)
    except OSError as error:
        leave(f"{error.filename or 'A file'}: {error.strerror}", REFUSED)


def _show(made: Manifest, *, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(made))
        return
    table = Table("store", "what", "count", box=None, header_style="bold")
    for name, part in sorted(made.tables.items()):
        if part.count:
            table.add_row("PostgreSQL", name, f"{part.count:,}")
    for name, part in made.warehouse.items():
        table.add_row("warehouse", name, f"{part.count:,}")
    for name, stream in made.streams.items():
        table.add_row("event log", name, f"{stream.part.count:,}")
    for name, part in made.files.items():
        table.add_row("files", name, f"{part.count:,}")
    console().print(table)
