"""segopsctl: what an operator does with a platform, against the same settings as its processes."""

from typing import Annotated

import typer

from cli import keys, tenants, users, webhooks
from cli.backup import app as backup
from cli.events import app as events
from cli.options import Json
from cli.platform import CHANGES
from cli.segments import app as segments
from services.kit.settings import Settings

app = typer.Typer(name="segopsctl", no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(tenants.app, name="tenants")
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
app.add_typer(segments.app, name="segments")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(events.app, name="events")
app.add_typer(backup.app, name="backup")


@app.callback()
def segopsctl() -> None:
    """Operate a SegOps platform. Settings come from SEGOPS_* variables, as for its processes.

    Exit codes: 0 done, 1 refused, 2 wrong command line, 3 no such object, 4 the platform is away, 5 there is something
    to apply (`segments plan --exit-code`, `migrate --check`), 6 some lines were rejected (`events import`), 130
    interrupted.
    """


@app.command()
def doctor(json: Json = False) -> None:
    """Check everything that the platform depends on, and say what to do.

    Exit codes: 0 all is well, 1 something should be looked at, 2 something does not work.
    """
    from cli.doctor.app import doctor as examine  # noqa: PLC0415 - loads what every store is reached with

    examine(as_json=json)


@app.command()
def configuration() -> None:
    """Print every setting of every process, in Markdown: docs/configuration.md for this version."""
    from cli.configuration import reference  # noqa: PLC0415 - loads the settings of all services

    print(reference(), end="")


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only show what would run; exit with 5 when there is something.")
    ] = False,
) -> None:
    """Bring PostgreSQL to the declared schema; waits up to a minute for it."""
    from services.schema import migrate as schema  # noqa: PLC0415 - takes as long as all else to load

    if not check:
        schema.migrate(Settings())
        return
    pending = schema.missing(Settings())
    for revision, about in pending:
        print(f"{revision}  {about}")
    if pending:
        raise typer.Exit(CHANGES)
    print("The schema is current.")
