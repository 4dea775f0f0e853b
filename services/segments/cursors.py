"""Cursors: the last place of a page, signed for one kind of list of one segment of one tenant."""

import base64
import binascii
import hmac

SIGNATURE_BYTES = 16


class Cursors:
    """Makes and reads the cursors of one kind of list. They stay valid as long as the secret does."""

    def __init__(self, secret: str, lists: str) -> None:
        """`lists` names the kind, such as "member lists"."""
        self._key = hmac.digest(secret.encode(), f"cursors of {lists}".encode(), "sha256")

    def make(self, tenant_id: int, segment_id: int, place: str) -> str:
        """A cursor for what comes after `place`."""
        signed = place.encode()
        return base64.urlsafe_b64encode(self._sign(tenant_id, segment_id, signed) + signed).decode().rstrip("=")

    def read(self, tenant_id: int, segment_id: int, cursor: str) -> str | None:
        """The place in a cursor; None when it was not made here for such a list of this segment."""
        try:
            signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        signature, place = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
        is_ours = hmac.compare_digest(signature, self._sign(tenant_id, segment_id, place))
        return place.decode() if is_ours else None

    def _sign(self, tenant_id: int, segment_id: int, place: bytes) -> bytes:
        message = b"%d %d %b" % (tenant_id, segment_id, place)
        return hmac.digest(self._key, message, "sha256")[:SIGNATURE_BYTES]
