"""Signed user ids: proof from a tenant's own server that a visitor is who the page says."""

import hmac
import re

# How far the clock of the tenant's server may be off, either way.
LEEWAY_SECONDS = 300
_UNIX_SECONDS = re.compile("[0-9]{1,12}")


def sign(secret: str, user_id: str, signed_at: str) -> str:
    """Hex HMAC-SHA256 over `<user_id>|<signed_at>`, keyed with a secret in hexadecimal digits."""
    return hmac.new(bytes.fromhex(secret), f"{user_id}|{signed_at}".encode(), "sha256").hexdigest()


def is_signed(secret: str, user_id: str, *, signature: str, signed_at: str, now: float) -> bool:
    """Whether the signature fits and its time, in Unix seconds as text, is near `now`. Takes the same time for any."""
    fits = hmac.compare_digest(sign(secret, user_id, signed_at).encode(), signature.lower().encode())
    is_time = _UNIX_SECONDS.fullmatch(signed_at) is not None
    return fits and is_time and abs(now - int(signed_at)) <= LEEWAY_SECONDS
