"""segopsctl: what an operator does with a platform, against the same settings as its processes."""

import typer

from cli import keys, tenants, users, webhooks
from cli.events import app as events
from cli.segments import app as segments
from services.kit.settings import Settings

app = typer.Typer(name="segopsctl", no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(tenants.app, name="tenants")
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
app.add_typer(segments.app, name="segments")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(events.app, name="events")


@app.callback()
def segopsctl() -> None:
    """Operate a SegOps platform. Settings come from SEGOPS_* variables, as for its processes.

    Exit codes: 0 done, 1 refused, 2 wrong command line, 3 no such object, 4 the platform is away, 5 there is something
    to apply (`segments plan --exit-code`), 6 some lines were rejected (`events import`), 130 interrupted.
    """


@app.command()
def migrate() -> None:
    """Bring PostgreSQL to the declared schema; waits up to a minute for it."""
    from services.schema.migrate import migrate as bring_up_to_date  # noqa: PLC0415 - takes as long as all else to load

    bring_up_to_date(Settings())
