"""Sessions: what a page or an app gets for a public key, to send events of one end user."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import NoneType
from typing import Any

from sqlalchemy import Row

from services.identity import store
from services.identity.fields import raise_wrong
from services.identity.origins import allows
from services.identity.signatures import is_signed
from services.identity.signing_keys import SigningKeys
from services.kit.caller import Caller
from services.kit.errors import Forbidden, Invalid, Unauthenticated
from services.kit.postgres import Database
from services.kit.texts import CONTROL
from services.kit.vault import Vault
from services.kit.visitor_links import ANONYMOUS, VisitorLinks

MAX_USER_ID = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """Who a page says its visitor is. Ids that were not sent are empty."""

    user_id: str
    anonymous_id: str
    signature: str | None
    signed_at: str

    @property
    def uid(self) -> str:
        """The user id of the visitor's events."""
        return self.user_id or self.visitor_id

    @property
    def visitor_id(self) -> str:
        """The user id of events that were sent under the anonymous id."""
        return f"{ANONYMOUS}{self.anonymous_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """An open session."""

    token: str
    expires_at: datetime
    uid: str


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Opens sessions."""

    database: Database
    vault: Vault
    keys: SigningKeys
    links: VisitorLinks

    async def open(self, caller: Caller, *, origin: str, visitor: Visitor) -> Session:
        """A session for a visitor of the page at `origin`, with the caller's key.

        One who names both ids is linked: what the visitor did is the user's. Raises Forbidden, Unauthenticated when the
        key was revoked meanwhile, and Unavailable when nobody can be linked.
        """
        async with self.database.tenant(caller.tenant) as connection:
            key = await store.key_by_id(connection, caller.key_id or 0)
        if key is None:
            raise Unauthenticated
        if not allows(key.allowed_origins, origin):
            raise Forbidden("This key may not be used from this origin.")
        self._check_signature(key, visitor)
        # Of its own: the role of a tenant's transactions may not read the signing keys.
        async with self.database.system() as connection:
            signer = await self.keys.signer(connection)
        if visitor.user_id and visitor.anonymous_id:
            await self.links.link(caller.tenant, [(visitor.visitor_id, visitor.user_id)])
        token, expires_at = signer.session(tenant_id=caller.tenant, key_id=key.id, uid=visitor.uid)
        return Session(token=token, expires_at=expires_at, uid=visitor.uid)

    def _check_signature(self, key: Row[Any], visitor: Visitor) -> None:
        if visitor.signature is None:
            if visitor.user_id and key.require_signed_user_id:
                raise Forbidden("This key takes signed user ids only.")
        elif not is_signed(
            self.vault.unseal(key.hmac_secret),
            visitor.user_id,
            signature=visitor.signature,
            signed_at=visitor.signed_at,
            now=datetime.now(UTC).timestamp(),
        ):
            raise Forbidden("The signature of the user id is wrong, or more than 5 minutes off.")


def read_visitor(sent: Mapping[str, object]) -> Visitor:
    """The visitor in the fields of a request. Raises Invalid with every wrong field."""
    signature, signed_at = sent.get("user_id_sig"), sent.get("user_id_ts")
    raise_wrong(
        user_id=_check_id(sent.get("user_id"), MAX_USER_ID),
        # With the prefix it is a user id.
        anonymous_id=_check_id(sent.get("anonymous_id"), MAX_USER_ID - len(ANONYMOUS)),
        user_id_sig=None if isinstance(signature, str | None) else "Must be a string.",
        user_id_ts=None if type(signed_at) in (int, str, NoneType) else "Must be Unix time in whole seconds.",
    )
    visitor = Visitor(
        user_id=_text(sent.get("user_id")),
        anonymous_id=_text(sent.get("anonymous_id")),
        signature=None if signature is None else str(signature),
        signed_at=_text(signed_at),
    )
    if not visitor.user_id and not visitor.anonymous_id:
        raise Invalid(detail="Send user_id or anonymous_id.")
    return visitor


def _check_id(value: object, limit: int) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return "Must be a string."
    if len(value) > limit:
        return f"Use {limit} characters or fewer."
    return "Control characters are not allowed." if CONTROL.search(value) else None


def _text(value: object) -> str:
    return "" if value is None else str(value)
