"""How Schemathesis calls: with which credential, and with what exists in the place of what it made up."""

import re
from base64 import b64encode
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation

from tests.fuzz import world
from tests.fuzz.existing import KEPT, MEMBER, OBJECTS, PAGE, PERSON, WORLD, new, numbers, put_fields, sign
from tests.fuzz.world import USER
from tests.running import wait_for

TENANT = "X-Tenant-Slug"
# Operations that would change the tenant under all the others.
IN_NEW_TENANTS = ("ChangePlan", "UpdateCurrentTenant")
TOPICS = ("orders/create", "orders/paid", "customers/create", "checkouts/create", "checkouts/delete", "shop/update")
CREDENTIALS = {
    "bearerAuth": lambda: f"Bearer {WORLD.access}",
    "apiKeyAuth": lambda: f"ApiKey {WORLD.key}",
    "publicKeyAuth": lambda: f"ApiKey {WORLD.public_key}",
    "sessionAuth": lambda: f"Bearer {world.sent(PAGE, '/api/auth/session/', user_id=USER)['token']}",
    "basicAuth": lambda: f"Basic {b64encode(f'{WORLD.key}:'.encode()).decode()}",
}
# What may be said, by operation and field, of a request that no schema can tell from a good one.
BEYOND_SCHEMAS = re.compile(
    r"conditions.*: (is not an RE2 pattern|groups nest at most|must hold at most 50|values must have at most)"
    r"|The (segment|connector) has (no definition|not been (computed|synced) yet)\."
    r"|\[\d+\]\.name: Repeats the one of"
    r"|by the schema of"
    r"|Destinations of this type cannot be read back\."
    r"|Must be another user than the one that is linked\."
    r"|This user was erased; only what happens later is taken\."
    # It depends on the type of the connector that there is.
    r"|^UpdateActivation2? config: "
)


@schemathesis.auth(refresh_interval=None)
class InTurn:
    """The credentials that an operation takes, by its document, one after the other."""

    def get(self, case: Any, context: Any) -> str | None:
        """The header's value; None for an operation that takes none."""
        schemes = [name for taken in context.operation.definition.raw["security"] for name in taken]
        # Of other callers the header does not count.
        if TENANT in case.headers and case.meta.is_negative_at(ParameterLocation.HEADER):
            schemes = ["bearerAuth"]
        # In the events of a session the user does not count.
        elif case.meta.is_negative_at(ParameterLocation.BODY) and "sessionAuth" in schemes:
            schemes.remove("sessionAuth")
        return CREDENTIALS[schemes[next(numbers) % len(schemes)]]() if schemes else None

    def set(self, case: Any, data: str, context: Any) -> None:
        """Puts it on the request."""
        case.headers["Authorization"] = data


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Puts what exists in the place of what was made up, where a valid request is meant."""
    if case.meta is None:
        return
    name = context.operation.definition.raw["operationId"]
    if _is_linked(case) and name != "TransferOwnership":
        _unlink(case.query)
        _unlink(case.body)
    if not case.meta.is_negative_at(ParameterLocation.PATH):
        _path(case)
    if not case.meta.is_negative_at(ParameterLocation.HEADER):
        _headers(case.headers, name)
        if name == "ReceiveWebhook":
            kwargs["auth"] = sign
    if not case.meta.is_negative_at(ParameterLocation.QUERY):
        put_fields(case.query, name)
    if not case.meta.is_negative_at(ParameterLocation.BODY):
        put_fields(case.body, name)
    elif name == "ReceiveWebhook":
        # Of other topics the body does not count.
        case.headers["X-Shopify-Topic"] = TOPICS[0]
    _always(case, name)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Gives the tenant back to its Owner."""
    if context.operation.definition.raw["operationId"] == "TransferOwnership" and response.status_code == 200:
        owner = world.member_id(WORLD.access)
        # A change of roles takes up to a second.
        wait_for(lambda: MEMBER.post("/api/tenants/current/transfer/", json={"user_id": owner}).is_success)


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Drops a refusal of a request that is as the document wants it, where the reason lies beyond schemas."""
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    name = context.operation.definition.raw["operationId"]
    texts = [
        f"{name} {field}: {text}"
        for field, said in response.json().items()
        for text in ([said] if isinstance(said, str) else said)
    ]
    return not all(BEYOND_SCHEMAS.search(text) for text in texts)


def _always(case: Any, name: str) -> None:
    if case.method == "QUERY":
        # Without one, HTTP itself says that it is refused with 400.
        case.headers["Content-Type"] = "application/json"
    if name in IN_NEW_TENANTS and case.headers.get(TENANT, WORLD.slug) in ("", WORLD.slug):
        case.headers[TENANT] = world.new_tenant(PERSON)


def _headers(headers: Any, name: str) -> None:
    if headers.get(TENANT):
        headers[TENANT] = WORLD.slug
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = new("key")
    if "X-Shopify-Topic" in headers:
        headers["X-Shopify-Topic"] = TOPICS[next(numbers) % len(TOPICS)]


def _is_linked(case: Any) -> bool:
    return bool(case.meta.phase.name.name == "STATEFUL")


def _unlink(value: Any) -> None:
    """Makes a user of a person: links take the ids of people, which are numbers, for those of users."""
    if isinstance(value, dict) and type(value.get("user_id")) is int:
        value["user_id"] = USER


def _path(case: Any) -> None:
    prefix = next((path for path in OBJECTS if case.path.startswith(path)), None)
    if prefix is None:
        return
    stays, make = OBJECTS[prefix]
    variable = prefix.partition("{")[2].partition("}")[0]
    changes = case.method in ("PUT", "PATCH", "DELETE")
    is_kept = str(case.path_parameters[variable]) in KEPT
    # Some stay as they were made up.
    if (changes and is_kept) or (not _is_linked(case) and next(numbers) % 4):
        case.path_parameters[variable] = make() if changes else stays
        if "segment_id" in case.path_parameters:
            case.path_parameters["segment_id"] = WORLD.segment
