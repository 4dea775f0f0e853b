"""segopsctl backup: create, verify, restore, secrets."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import psycopg
import typer
from nats.errors import Error as NatsError
from rich.table import Table

from cli.backup import creating, manifest, restoring
from cli.backup.manifest import Manifest, NoBackup
from cli.backup.progress import Meter
from cli.backup.streams import LogFailed
from cli.options import Json
from cli.output import console, print_json
from cli.platform import AWAY, REFUSED, leave
from services.kit.errors import Failure, Unavailable
from services.kit.settings import Settings

app = typer.Typer(no_args_is_help=True, help="All state of the platform in one directory, and back.")

Directory = Annotated[Path, typer.Argument(help="Directory of the backup.")]


@app.command()
def create(
    directory: Directory,
    with_secrets: Annotated[
        bool,
        typer.Option(
            "--with-secrets",
            help="The keys and secrets too: whoever has the backup can read and sign everything. Without them keep a "
            "copy of the secrets directory elsewhere: no backup can be restored without its keys.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Back up everything that was acknowledged before this began, while the platform runs."""
    with _failures(), (meter := Meter()).shown():
        made = creating.create(Settings(), directory, with_secrets=with_secrets, meter=meter)
    _show(made, as_json=json)


@app.command()
def verify(directory: Directory, json: Json = False) -> None:
    """Check that every file of a backup is as it was written."""
    with _failures(), (meter := Meter()).shown():
        made = manifest.read(directory)
        restoring.verify(directory, made, meter)
    _show(made, as_json=json)


@app.command()
def restore(directory: Directory, json: Json = False) -> None:
    """Restore into an empty platform of which only PostgreSQL, the event log and the warehouse run."""
    with _failures(), (meter := Meter()).shown():
        made = restoring.restore(Settings(), directory, meter)
    _show(made, as_json=json)


@app.command()
def secrets(directory: Directory) -> None:
    """Put the keys and secrets of a backup in place, before anything is started for the first time."""
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
