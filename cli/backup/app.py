"""segopsctl backup: create, verify, restore, secrets.

What they do is loaded when one of them is called: it reaches every store.
"""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json

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
    from cli.backup import commands  # noqa: PLC0415

    commands.create(directory, with_secrets=with_secrets, as_json=json)


@app.command()
def verify(directory: Directory, json: Json = False) -> None:
    """Check that every file of a backup is as it was written."""
    from cli.backup import commands  # noqa: PLC0415

    commands.verify(directory, as_json=json)


@app.command()
def restore(directory: Directory, json: Json = False) -> None:
    """Restore into an empty platform of which only PostgreSQL, the event log and the warehouse run."""
    from cli.backup import commands  # noqa: PLC0415

    commands.restore(directory, as_json=json)


@app.command()
def secrets(directory: Directory) -> None:
    """Put the keys and secrets of a backup in place, before anything is started for the first time."""
    from cli.backup import commands  # noqa: PLC0415

    commands.put_secrets(directory)
