"""Cursors of member lists: the last user id of a page, signed for one segment of one tenant."""

import base64
import binascii
import hmac

SIGNATURE_BYTES = 16


class Cursors:
    """Makes and reads cursors. They stay valid as long as the secret does, over every recompute."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"cursors of member lists", "sha256")

    def make(self, tenant_id: int, segment_id: int, user_id: str) -> str:
        """A cursor for what comes after `user_id`."""
        place = user_id.encode()
        return base64.urlsafe_b64encode(self._sign(tenant_id, segment_id, place) + place).decode().rstrip("=")

    def read(self, tenant_id: int, segment_id: int, cursor: str) -> str | None:
        """The user id in a cursor; None when it was not made here for this segment."""
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
