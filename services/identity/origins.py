"""Which pages may use a public key: web origins (RFC 6454), as browsers send them, exact or with one wildcard label."""

import re
from collections.abc import Sequence

MAX_ORIGINS = 100
MAX_ORIGIN = 300
_LABEL = "[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_ONE_LABEL = re.compile(_LABEL)
# A wildcard has two labels behind it at least: https://*.com would be everyone.
_ORIGIN = re.compile(
    rf"[a-z][a-z0-9+.-]*://(?:(?:\*\.{_LABEL}\.)?{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{{0,4}})?"
)
# Browsers leave these out.
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def check_origins(origins: Sequence[str]) -> list[str]:
    """What is wrong with the origins of a key, each message with its place."""
    if len(origins) > MAX_ORIGINS:
        return [f"Use {MAX_ORIGINS} origins or fewer."]
    return [
        f"[{place}]: '{origin[:80]}' is not an origin such as https://shop.example.com or https://*.example.com."
        for place, origin in enumerate(origins)
        if len(origin) > MAX_ORIGIN or not _ORIGIN.fullmatch(origin.lower())
    ]


def normal(origin: str) -> str:
    """An origin as browsers write it: lower case, without the port that goes without saying."""
    lower = origin.lower()
    return lower.removesuffix(_DEFAULT_PORTS.get(lower.partition("://")[0], ""))


def allows(allowed: Sequence[str], origin: str) -> bool:
    """Whether a key with these normal origins may be used from this one, which is empty when none was sent."""
    sent = normal(origin)
    return not allowed or any(_matches(one, sent) for one in allowed)


def _matches(allowed: str, origin: str) -> bool:
    head, wildcard, tail = allowed.partition("*")
    if not wildcard:
        return origin == allowed
    label = origin.removeprefix(head).removesuffix(tail)
    return origin == f"{head}{label}{tail}" and _ONE_LABEL.fullmatch(label) is not None
