"""URLs that customers typed, as far as they can be judged without asking the network."""

from dataclasses import dataclass
from ipaddress import ip_address

import httpcore
import httpx

from services.connectors.addresses import HOST, Address
from services.connectors.network import NotAllowed

MALFORMED = "Enter a URL such as https://example.com/path."
CREDENTIALS = "Leave user name and password out of the URL."
HTTPS_ONLY = "Use an https URL."


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A URL in its parts, all of them ASCII. `address` is the host's when the host is one and no name."""

    scheme: str
    host: str
    # Host and port as the Host header has them.
    authority: str
    address: Address | None
    url: httpcore.URL


def target_of(url: str) -> Target:
    """A URL in its parts, if it may be called at all. Raises NotAllowed."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise NotAllowed(MALFORMED) from error
    if parts.scheme not in ("https", "http"):
        raise NotAllowed(HTTPS_ONLY)
    if parts.userinfo:
        raise NotAllowed(CREDENTIALS)
    host = parts.raw_host.decode()
    address = _address(host)
    if (address is None and not HOST.fullmatch(host)) or not 0 < (443 if parts.port is None else parts.port) < 65_536:
        raise NotAllowed(MALFORMED)
    return Target(
        scheme=parts.scheme,
        host=host,
        authority=parts.netloc.decode(),
        address=address,
        url=httpcore.URL(scheme=parts.raw_scheme, host=parts.raw_host, port=parts.port, target=parts.raw_path),
    )


def _address(host: str) -> Address | None:
    """The address that a host is. One with a zone is none: it names an interface of the caller's own machine."""
    try:
        return ip_address(host) if "%" not in host else None
    except ValueError:
        return None
