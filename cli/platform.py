"""Calls to the platform's identity service, with the service secret of this machine."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar, cast

import grpc
import typer

from services.gen.segops.identity.v1 import admin_pb2, admin_pb2_grpc
from services.kit.caller import SERVICE_SECRET_HEADER
from services.kit.channel import target_of
from services.kit.errors import Failure, Invalid, NotFound, Unavailable
from services.kit.failures import RpcFailure, from_rpc_error
from services.kit.keys import SERVICE_SECRET, secret
from services.kit.settings import Settings

CALL_SECONDS = 10.0

# Exit codes that a script can use; 2 is typer's own, for a wrong command line.
REFUSED, MISSING, AWAY, CHANGES, REJECTED = 1, 3, 4, 5, 6

Res = TypeVar("Res")


@contextmanager
def admin() -> Iterator[Any]:
    """The operator's service. Prints a failure as one line per field and exits with its code."""
    settings = Settings()
    target, options = target_of(settings, "identity")
    with grpc.insecure_channel(target, options=options) as channel:
        try:
            yield Admin(channel, secret(settings, SERVICE_SECRET))
        except FileNotFoundError:
            leave(f"There is no platform in {settings.home}: start it, or set SEGOPS_DATA_DIR.", AWAY)
        except Invalid as failure:
            lines = [f"{name}: {text}" for name, texts in failure.fields.items() for text in texts]
            leave("\n".join(lines) or failure.detail, REFUSED)
        except NotFound as failure:
            leave(failure.detail, MISSING)
        except Unavailable:
            leave("The platform does not answer. Does it run? Try `make up`.", AWAY)
        except Failure as failure:
            leave(failure.detail, REFUSED)
        except grpc.RpcError:
            leave("The platform failed unexpectedly; its log says why.", REFUSED)


class Admin:
    """Calls AdminService."""

    def __init__(self, channel: grpc.Channel, service_secret: str) -> None:
        self.stub = admin_pb2_grpc.AdminServiceStub(channel)
        self._metadata = ((SERVICE_SECRET_HEADER, service_secret),)

    def call(self, method: Callable[..., Res], request: object) -> Res:
        """One call. Raises the failure the service answered with."""
        try:
            return method(request, metadata=self._metadata, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            raise from_rpc_error(cast(RpcFailure, error)) from error

    def tenant_id(self, slug: str) -> int:
        """The id of a tenant. Raises NotFound."""
        answer = self.call(self.stub.ListTenants, admin_pb2.ListTenantsRequest())
        found: int | None = next((record.id for record in answer.tenants if record.slug == slug), None)
        if found is None:
            raise NotFound(f"There is no tenant '{slug}'.")
        return found


def leave(text: str, code: int) -> NoReturn:
    """Ends the command with a line on standard error."""
    print(text, file=sys.stderr)
    raise typer.Exit(code)
