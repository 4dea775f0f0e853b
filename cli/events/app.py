"""segopsctl events: import, replay."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from cli.events import report
from cli.events.importing import FormatName, Import, Options
from cli.events.mapping import Rule, parse_rule
from cli.events.progress import Meter
from cli.events.replay import replay
from cli.events.service import ingestion
from cli.events.sources import STDIN, open_source
from cli.options import Json, Tenant
from cli.output import print_json
from cli.platform import REJECTED, admin
from services.kit.errors import Invalid
from services.kit.settings import Settings

# As shells tell that a program was interrupted.
INTERRUPTED = 130

app = typer.Typer(no_args_is_help=True, help="Events: bring in many at once, load the log again.")
app.command()(replay)


def _rule(text: str) -> Rule:
    try:
        return parse_rule(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _delimiter(text: str) -> str:
    delimiter = text.replace("\\t", "\t")
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise typer.BadParameter("one character, or \\t for a tab")
    return delimiter


@app.command(name="import")
def import_events(
    files: Annotated[
        list[Path],
        typer.Argument(help="NDJSON or CSV, also gzip; - is stdin."),
    ],
    tenant: Tenant,
    rules: Annotated[
        list[Rule] | None,
        typer.Option(
            "--map",
            parser=_rule,
            metavar="FIELD=COLUMN",
            help="For CSV: user_id=customer, payload.total=amount:number, event_type==order_placed, payload.*=*.",
        ),
    ] = None,
    file_format: Annotated[
        FormatName | None, typer.Option("--format", help="Told by the file's name or content when left out.")
    ] = None,
    delimiter: Annotated[str, typer.Option(parser=_delimiter, metavar="CHARACTER", help="Of CSV; \\t is a tab.")] = ",",
    name: Annotated[
        str, typer.Option(help="For stdin: what it is called, so that the same content can be resumed.")
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Send it all once more, under the same message ids.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for a platform that is away.")
    ] = 60,
    json: Json = False,
) -> None:
    """Import events. Running the same command again goes on where it ended, and repeats nothing.

    What was acknowledged is noted in FILE.TENANT.segops-import, lines that are no events in
    FILE.TENANT.rejected.ndjson.

    Events without a message_id get one made of the file and the line, so that a repeated import within 24 hours
    adds nothing.
    """
    _check_command(files, rules or (), file_format, name)
    options = Options(tenant=tenant, format=file_format, rules=rules or (), delimiter=delimiter, again=again)
    with admin() as platform, ExitStack() as stack:
        tenant_id = platform.tenant_id(tenant)
        try:
            imports = [Import(stack.enter_context(open_source(path, name)), options) for path in files]
        except (OSError, EOFError) as error:
            raise Invalid(detail=str(error)) from error
        done_before = [one for one in imports if one.is_done]
        try:
            asyncio.run(_run([one for one in imports if not one.is_done], tenant_id, wait))
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        finally:
            if json:
                print_json(report.summary(imports, done_before))
            else:
                report.show(imports, done_before)
            _tell_how_to_go_on(imports)
        if any(one.state.rejected for one in imports if one not in done_before):
            raise typer.Exit(REJECTED)


async def _run(imports: Sequence[Import], tenant_id: int, wait_seconds: float) -> None:
    for one in imports:
        if one.left_out:
            print(f"{one.source.label}: columns left out: {', '.join(one.left_out)}", file=sys.stderr)
    sizes = [one.source.size for one in imports]
    with Meter(None if None in sizes else sum(size or 0 for size in sizes)) as meter:
        async with ingestion(Settings(), tenant_id) as open_stream:
            for one in imports:
                await one.run(open_stream, meter, wait_seconds)


def _check_command(files: Sequence[Path], rules: Sequence[Rule], file_format: str | None, name: str) -> None:
    for path in files:
        if path != STDIN and not path.is_file():
            raise typer.BadParameter(f"there is no file {path}; what is not a file comes through stdin, as -")
    if len(set(files)) < len(files):
        raise typer.BadParameter("the same file twice")
    if name and STDIN not in files:
        raise typer.BadParameter("only for standard input", param_hint="--name")
    if rules and file_format == "ndjson":
        raise typer.BadParameter("only for CSV", param_hint="--map")


def _tell_how_to_go_on(imports: Sequence[Import]) -> None:
    for one in imports:
        if not one.state.done and one.state.position.line:
            how = "the same command goes on behind it" if one.source.lasting else "with a --name it could be resumed"
            print(f"{one.source.label}: imported up to line {one.state.position.line}; {how}.", file=sys.stderr)
