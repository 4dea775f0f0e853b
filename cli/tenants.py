"""segopsctl tenants: create, list, set-plan."""

from typing import Annotated

import typer

from cli.options import Json
from cli.output import show
from cli.platform import admin
from services.gen.segops.identity.v1 import admin_pb2

COLUMNS = ["id", "slug", "name", "plan", "api_calls_per_minute", "created_at"]

app = typer.Typer(no_args_is_help=True, help="Tenants of the platform.")


@app.command()
def create(
    slug: Annotated[str, typer.Argument(help="3 to 40 lower-case letters, digits and hyphens.")],
    name: Annotated[str, typer.Option(help="Display name; the slug when left out.")] = "",
    plan: Annotated[str, typer.Option(help="free, starter, business or enterprise.")] = "",
    json: Json = False,
) -> None:
    """Create a tenant without members."""
    with admin() as platform:
        request = admin_pb2.CreateTenantRequest(slug=slug, name=name, plan=plan)
        show([platform.call(platform.stub.CreateTenant, request)], COLUMNS, as_json=json, single=True)


@app.command(name="list")
def list_all(json: Json = False) -> None:
    """List all tenants."""
    with admin() as platform:
        answer = platform.call(platform.stub.ListTenants, admin_pb2.ListTenantsRequest())
        show(list(answer.tenants), COLUMNS, as_json=json)


@app.command()
def set_plan(
    slug: str,
    plan: str,
    api_calls_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Of enterprise; any number when left out.")
    ] = None,
    json: Json = False,
) -> None:
    """Put a tenant on a plan: free, starter, business or enterprise."""
    with admin() as platform:
        request = admin_pb2.SetPlanRequest(slug=slug, plan=plan, api_calls_per_minute=api_calls_per_minute)
        record = platform.call(platform.stub.SetPlan, request)
        show([record], COLUMNS, as_json=json, single=True)
