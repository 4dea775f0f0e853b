"""segopsctl users: create."""

from typing import Annotated

import typer

from cli.options import Json
from cli.output import show
from cli.platform import admin
from services.gen.segops.identity.v1 import admin_pb2

app = typer.Typer(no_args_is_help=True, help="People.")


@app.callback()
def users() -> None:
    """People and their roles in tenants."""


@app.command()
def create(
    email: str,
    tenant: Annotated[str, typer.Option(help="Slug of the tenant.")],
    password: Annotated[
        str,
        # Asked for at the terminal, or taken from the environment: an argument would show in the process list.
        typer.Option(prompt=True, hide_input=True, envvar="SEGOPS_PASSWORD", help="10 characters or more."),
    ],
    role: Annotated[str, typer.Option(help="owner, admin, member or viewer.")] = "member",
    json: Json = False,
) -> None:
    """Create a person with a role in a tenant, or give an existing person that role."""
    with admin() as platform:
        request = admin_pb2.CreateUserRequest(email=email, password=password, tenant_slug=tenant, role=role)
        record = platform.call(platform.stub.CreateUser, request)
        show([record], ["id", "email", "tenant_slug", "role"], as_json=json, single=True)
