"""Who may call which RPC, read from the options in the protos: the edge and every service ask here."""

from dataclasses import dataclass
from functools import cache

from google.api import annotations_pb2
from google.protobuf import descriptor_pool

from services.gen.segops.options.v1 import access_pb2
from services.kit.caller import Caller
from services.kit.errors import Forbidden, Unauthenticated

Access = access_pb2.Access

# Without credentials.
OPEN = frozenset({Access.ACCESS_PUBLIC, Access.ACCESS_SIGNED})
# Not through the edge.
INSIDE = frozenset({Access.ACCESS_INTERNAL, Access.ACCESS_SERVICE})
WRITERS = frozenset({"owner", "admin", "member"})
ADMINS = frozenset({"owner", "admin"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Rpc:
    """What a proto declares of one RPC."""

    access: int
    # Whether a POST below /api/ leads to it.
    is_api_post: bool


@cache
def declared(method: str) -> Rpc | None:
    """The declaration of a gRPC path such as `/segops.segments.v1.SegmentsService/GetSegment`; None when unknown.

    The module with the service's stubs must be imported.
    """
    try:
        found = descriptor_pool.Default().FindMethodByName(method.strip("/").replace("/", "."))
    except KeyError:
        return None
    options = found.GetOptions()
    return Rpc(
        access=options.Extensions[access_pb2.access],
        is_api_post=options.Extensions[annotations_pb2.http].post.startswith("/api/"),
    )


def admits(access: int, caller: Caller) -> bool:
    """Whether an RPC declared with `access` takes this caller (contract 2.1 and 2.3)."""
    if access in OPEN:
        return True
    if access == Access.ACCESS_ACCOUNT:
        return caller.kind == "person"
    if access == Access.ACCESS_READ:
        return caller.kind in ("person", "secret_key", "service")
    if access == Access.ACCESS_TRACK and caller.kind == "session":
        return True
    if access in (Access.ACCESS_INGEST, Access.ACCESS_WRITE, Access.ACCESS_TRACK):
        return caller.kind in ("secret_key", "service") or caller.role in WRITERS
    if access == Access.ACCESS_ADMIN:
        return caller.kind == "person" and caller.role in ADMINS
    if access == Access.ACCESS_OWNER:
        return caller.kind == "person" and caller.role == "owner"
    if access == Access.ACCESS_SESSION:
        return caller.kind == "public_key"
    if access == Access.ACCESS_SERVICE:
        return caller.kind == "service"
    # Internal RPCs are never routed by the edge, so whoever holds a signed identity came from inside.
    return access == Access.ACCESS_INTERNAL


def require(access: int, caller: Caller) -> None:
    """Raises Unauthenticated or Forbidden unless `admits`."""
    if admits(access, caller):
        return
    if caller.kind == "anonymous":
        raise Unauthenticated
    raise Forbidden
