"""Which fields of a request name an object, and which kind of object each names."""

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, MethodDescriptor

from tests.e2e.tenancy.calls import bindings, name_of

# A place in a message: names of fields, and places in lists.
Place = tuple[str | int, ...]

ID_LIKE = re.compile(r"(^|_)(id|ids|slug|cursor)$|^(segment|tenant|q|search)$")

# What is named by a field of this name, whatever the request.
KINDS = {
    "segment": "segments",
    "segment_id": "segments",
    "export_id": "exports",
    "tenant": "tenants",
    "tenant_slug": "slugs",
    "user_id": "users",
    "user_ids": "users",
    "delivery_id": "deliveries",
    "q": "texts",
    "search": "texts",
}
# And in these requests.
IN_REQUESTS = {
    "TenantService/TransferOwnership.user_id": "members",
    "SegmentsService/StreamMembers.id": "segments",
    "SegmentsService/ListMembers.cursor": "cursors of members",
    "SegmentsService/ListChanges.cursor": "cursors of changes",
}
# What these name comes into being with the request, or is a user of whoever sends it.
NEW = {
    "IdentityService/Register.tenant_slug",
    "TenantService/CreateTenant.slug",
    "IdentityService/CreateApiKey.require_signed_user_id",
    "IdentityService/OpenSession.user_id",
    "IdentityService/OpenSession.anonymous_id",
    *(
        f"IngestionService/{rpc}.{name}"
        for rpc in ("Track", "TrackBatch", "TrackEvents", "TrackStream")
        for name in ("user_id", "anonymous_id", "message_id")
    ),
    "SchemaService/InferSchemas.user_id",
    "ErasureService/EraseUser.user_id",
    "LinksService/AliasVisitor.user_id",
    "LinksService/AliasVisitor.anonymous_id",
    "LinksService/MergeUsers.from_user_id",
    "LinksService/MergeUsers.into_user_id",
    # Of a shop's records.
    *(f"ShopifyService/ReceiveWebhook.{name}" for name in ("id", "admin_graphql_api_id", "variant_id", "product_id")),
}

# Of the same kind, and never there.
ABSENT: Mapping[str, Any] = {
    "slugs": "never-was",
    "users": "never-was",
    "texts": "never-was",
    "deliveries": str(uuid.UUID(int=7, version=4)),
}
ABSENT_NUMBER = 2_000_000_000


def absent(kind: str, like: object) -> Any:
    """What names nothing, in place of `like`."""
    if kind.startswith("cursors"):
        # Well-formed, and not made by the platform.
        return f"{str(like)[:-6]}{'AAAAAA' if not str(like).endswith('AAAAAA') else 'BBBBBB'}"
    return ABSENT.get(kind, ABSENT_NUMBER)


def kind_of(rpc: MethodDescriptor, name: str) -> str | None:
    """What kind of object a field of a request names; None for what is new. KeyError when nobody has said."""
    full = f"{name_of(rpc)}.{name}"
    if full in NEW:
        return None
    if full in IN_REQUESTS:
        return IN_REQUESTS[full]
    if name == "id":
        return _NOUNS[name_of(rpc)]
    return KINDS[name]


def named_in(value: object, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Every place in a message whose name is like that of an id, and that name."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if ID_LIKE.search(name) and not isinstance(inner, dict):
                places = [(*place, name, index) for index in range(len(inner))] if isinstance(inner, list) else None
                yield from ((each, name) for each in places or [(*place, name)])
            else:
                yield from named_in(inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from named_in(inner, (*place, index))


def named_by(message: Descriptor) -> set[str]:
    """The names of a message's fields, however deep, that are like that of an id."""
    names = {field.name for field in message.fields if ID_LIKE.search(field.name)}
    inner = [field.message_type for field in message.fields if field.message_type is not None]
    ours = [of for of in inner if of.full_name.startswith("segops.")]
    return names.union(*map(named_by, ours))


def put(value: Any, place: Place, new: object) -> Any:
    """A copy of `value` with something else in one place."""
    if not place:
        return new
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[place[0]] = put(copy[place[0]], place[1:], new)
    return copy


def _noun(template: str) -> str:
    """The kind of the object that `{id}` names in a path: what stands before it."""
    return template.partition("/{id}")[0].rpartition("/")[2].replace("connectors", "activations")


_NOUNS = {name_of(binding.rpc): _noun(binding.template) for binding in bindings() if "{id}" in binding.template}
