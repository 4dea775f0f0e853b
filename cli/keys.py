"""segopsctl keys: create, revoke."""

from typing import Annotated

import typer

from cli.options import Json
from cli.output import show
from cli.platform import admin
from services.gen.segops.identity.v1 import admin_pb2

app = typer.Typer(no_args_is_help=True, help="Secret API keys.")


@app.command()
def create(
    tenant: Annotated[str, typer.Argument(help="Slug of the tenant.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "segopsctl",
    json: Json = False,
) -> None:
    """Create a secret key. It is printed this once."""
    with admin() as platform:
        record = platform.call(platform.stub.CreateKey, admin_pb2.CreateKeyRequest(tenant_slug=tenant, name=name))
        show([record], ["id", "name", "tenant_slug", "key"], as_json=json, single=True)


@app.command()
def revoke(key_id: Annotated[int, typer.Argument(help="Id of the key.")]) -> None:
    """Revoke a key everywhere, at once."""
    with admin() as platform:
        platform.call(platform.stub.RevokeKey, admin_pb2.RevokeKeyRequest(id=key_id))
