"""segopsctl segments: plan, apply."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json, Tenant
from cli.output import print_json
from cli.platform import CHANGES, REFUSED, Admin, admin
from cli.segments import report
from cli.segments.apply import Taken, count_users, take_all
from cli.segments.files import read
from cli.segments.plan import Plan, make_plan
from cli.segments.service import Effects, Segments
from services.kit.settings import Settings

Files = Annotated[
    list[Path], typer.Argument(exists=True, dir_okay=False, help="YAML or JSON files that declare segments.")
]
Prune = Annotated[bool, typer.Option("--prune", help="Delete the tenant's segments that no file declares.")]

app = typer.Typer(no_args_is_help=True, help="Segments that are kept in files and reviewed as code.")


@app.command()
def plan(
    files: Files,
    tenant: Tenant,
    prune: Prune = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 5 when there is something to apply.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what `apply` would do: what changes, and how many users would enter and leave."""

    async def run(platform: Admin) -> None:
        async with _planned(platform, files, tenant, prune=prune) as (_, made, effects):
            if json:
                print_json(report.plan_json(made, effects))
            else:
                report.show_plan(made, effects)
            if exit_code and made.to_do:
                raise typer.Exit(CHANGES)

    with admin() as platform:
        asyncio.run(run(platform))


@app.command()
def apply(
    files: Files,
    tenant: Tenant,
    prune: Prune = False,
    compute: Annotated[bool, typer.Option("--compute", help="Queue computes of what is created or redefined.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, for scripts.")] = False,
    json: Json = False,
) -> None:
    """Make the tenant's segments as the files declare them, after showing the plan and asking."""

    async def run(platform: Admin) -> None:
        async with _planned(platform, files, tenant, prune=prune) as (segments, made, effects):
            if not json:
                report.show_plan(made, effects)
            taken: list[Taken] = []
            try:
                if made.to_do:
                    _confirm(made, yes=yes)
                    await take_all(made, segments, taken, compute=compute)
            finally:
                if json:
                    print_json({"plan": report.plan_json(made, effects), "applied": report.taken_json(taken)})
                else:
                    report.show_taken(made, taken)

    with admin() as platform:
        asyncio.run(run(platform))


@asynccontextmanager
async def _planned(
    platform: Admin, files: list[Path], tenant: str, *, prune: bool
) -> AsyncIterator[tuple[Segments, Plan, Effects]]:
    """The tenant's segments, what has to be done with them, and what that would do to memberships."""
    declared = read(files)
    async with Segments.connect(Settings(), platform.tenant_id(tenant)) as segments:
        made = make_plan(declared, await segments.all(), prune=prune)
        yield segments, made, await count_users(made, segments)


def _confirm(made: Plan, *, yes: bool) -> None:
    if not yes and not typer.confirm(f"{report.summary(made)}. Apply?", err=True):
        raise typer.Exit(REFUSED)
