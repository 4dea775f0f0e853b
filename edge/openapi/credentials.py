"""Which credentials an RPC takes and what the document says of them: read from the decision itself, `admits`."""

from typing import Any

from services.gen.segops.options.v1 import access_pb2
from services.kit.access import OPEN, admits
from services.kit.caller import ANONYMOUS, Caller

Json = dict[str, Any]

SCHEMES: dict[str, Json] = {
    "bearerAuth": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a person, from `POST /api/auth/token/`. It holds for 60 minutes.",
    },
    "apiKeyAuth": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A secret key of a server: `ApiKey sk_live_...`, the word included.",
    },
    "publicKeyAuth": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A public key, which may stand in a page or an app: `ApiKey pk_live_...`, the word included.",
    },
    "sessionAuth": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The token of one end user's session, from `POST /api/auth/session/`. It holds for 15 minutes.",
    },
    "basicAuth": {
        "type": "http",
        "scheme": "basic",
        "description": "A secret key as the user name, as Segment's libraries send it. The password does not matter.",
    },
}

ROLES = ("owner", "admin", "member", "viewer")
PEOPLE = {role: Caller(kind="person", tenant_id=1, user_id=1, role=role) for role in ROLES}
SECRET_KEY = Caller(kind="secret_key", tenant_id=1, key_id=1)
PUBLIC_KEY = Caller(kind="public_key", tenant_id=1, key_id=1)
SESSION = Caller(kind="session", tenant_id=1, key_id=1, uid="user-123")


def takes_people(access: int) -> bool:
    """Whether a person may call it, in a tenant of choice."""
    return access not in OPEN and any(admits(access, person) for person in PEOPLE.values())


def security(access: int) -> list[dict[str, list[str]]]:
    """The schemes of which one is needed; none for anyone."""
    if admits(access, ANONYMOUS):
        return []
    taken = {
        "bearerAuth": takes_people(access),
        "apiKeyAuth": admits(access, SECRET_KEY),
        "basicAuth": access == access_pb2.ACCESS_INGEST,  # Segment's API; elsewhere it works too, and nobody needs it
        "sessionAuth": admits(access, SESSION),
        "publicKeyAuth": admits(access, PUBLIC_KEY),
    }
    return [{scheme: []} for scheme, is_taken in taken.items() if is_taken]


def who_may_call(access: int) -> str:
    """A line with roles and keys."""
    if admits(access, ANONYMOUS):
        return "**May call it:** anyone."
    callers = {role.capitalize(): person for role, person in PEOPLE.items()}
    callers |= {"secret key": SECRET_KEY, "public key": PUBLIC_KEY, "session token": SESSION}
    return f"**May call it:** {', '.join(name for name, caller in callers.items() if admits(access, caller))}."
