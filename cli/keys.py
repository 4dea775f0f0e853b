"""segopsctl keys: create, revoke, rotate."""

from typing import Annotated

import typer

from cli.options import Json
from cli.output import show
from cli.platform import admin
from services.gen.segops.identity.v1 import admin_pb2

app = typer.Typer(no_args_is_help=True, help="API keys, and the keys that sign tokens.")


@app.command()
def create(
    tenant: Annotated[str, typer.Argument(help="Slug of the tenant.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "segopsctl",
    public: Annotated[
        bool, typer.Option("--public", help="A key for browsers and apps; it opens sessions only.")
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="Where a public key may be used, such as https://*.example.com; repeatable."),
    ] = None,
    signed: Annotated[bool, typer.Option("--signed", help="The public key takes signed user ids only.")] = False,
    json: Json = False,
) -> None:
    """Create a key, a secret one unless told otherwise. It is printed this once."""
    request = admin_pb2.CreateKeyRequest(
        tenant_slug=tenant,
        name=name,
        key_type="public" if public else "secret",
        allowed_origins=origin,
        require_signed_user_id=signed,
    )
    columns = ["id", "name", "tenant_slug", "key", *(["hmac_secret"] if public else [])]
    with admin() as platform:
        show([platform.call(platform.stub.CreateKey, request)], columns, as_json=json, single=True)


@app.command()
def revoke(key_id: Annotated[int, typer.Argument(help="Id of the key.")]) -> None:
    """Revoke a key everywhere, at once."""
    with admin() as platform:
        platform.call(platform.stub.RevokeKey, admin_pb2.RevokeKeyRequest(id=key_id))


@app.command()
def rotate(
    now: Annotated[
        bool, typer.Option("--now", help="The old key has leaked: refuse all tokens that were signed before.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a new key that signs tokens. It is published at once and signs a minute later; older tokens hold."""
    with admin() as platform:
        record = platform.call(platform.stub.RotateSigningKey, admin_pb2.RotateSigningKeyRequest(now=now))
        show([record], ["key_id", "signs_from"], as_json=json, single=True)
