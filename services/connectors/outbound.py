"""The one way out: calls to receivers whose URLs customers chose."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpcore
import httpx

from services.connectors.addresses import Address, AllowList, is_public
from services.connectors.network import GuardedNetwork, NoAnswer, NotAllowed, Resolve, Resolver
from services.connectors.targets import HTTPS_ONLY, target_of

AGENT = "SegOps"

TIMEOUT_SECONDS = 10.0
MOST_BODY_BYTES = 65_536

# Idle connections, over all receivers, and how long one is kept.
MOST_IDLE = 100
IDLE_SECONDS = 15.0
# To look a host up while the caller who typed it waits.
CHECK_SECONDS = 3.0

BAD_HEADER = "A header of the request holds characters that are not allowed there."
NOT_PUBLIC = "The host of the URL has no public address."


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a receiver answered. Header names are lower case.

    `whole`: whether `body` is all of it; what came late, or after the most bytes that were asked for, is cut off.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


class Outbound:
    """Calls receivers over https, at public addresses; an operator's allow-list opens exceptions, also for plain http.

    A name is resolved for each new connection, which goes to an address that was checked. Redirects are answers,
    proxies of the environment are ignored. The authorities are certifi's, or those in SSL_CERT_FILE.
    """

    def __init__(
        self, allow: AllowList, *, resolve: Resolve | None = None, authorities: ssl.SSLContext | None = None
    ) -> None:
        self._resolver = Resolver()
        self._allow = allow
        resolve = resolve or self._resolver.resolve
        self._networks = {
            "https": GuardedNetwork(resolve, self._permits, NOT_PUBLIC),
            "http": GuardedNetwork(resolve, allow.has, HTTPS_ONLY),
        }
        # To load the certificates takes 40 ms.
        authorities = authorities or httpx.create_ssl_context()
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=authorities,
                max_connections=None,
                max_keepalive_connections=MOST_IDLE,
                keepalive_expiry=IDLE_SECONDS,
                network_backend=network,
            )
            for scheme, network in self._networks.items()
        }

    async def close(self) -> None:
        """Closes every connection."""
        for pool in self._pools.values():
            await pool.aclose()
        self._resolver.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        most_bytes: int = MOST_BODY_BYTES,
    ) -> Answer:
        """Calls a URL and answers what the receiver did, whatever its status.

        `timeout_seconds` is for the whole of the call. Raises NotAllowed, or NoAnswer when there was no status in time.
        """
        target = target_of(url)
        fields = _encoded({"Host": target.authority, "User-Agent": AGENT, **(headers or {})})
        answer: httpcore.Response | None = None
        body, whole = bytearray(), False
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._pools[target.scheme].stream(method, target.url, headers=fields, content=content) as answer,
            ):
                async for part in answer.aiter_stream():
                    body += part
                    if len(body) > most_bytes:
                        break
                else:
                    whole = True
        except httpcore.LocalProtocolError:
            # Without its cause, which holds the header.
            raise NotAllowed(BAD_HEADER) from None
        except (OSError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.RemoteProtocolError) as error:
            if answer is None:
                raise NoAnswer(_reason(error, timeout_seconds)) from error
        assert answer is not None
        return Answer(
            status=answer.status,
            headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers},
            body=bytes(body[:most_bytes]),
            whole=whole,
        )

    def url_errors(self, url: str) -> list[str]:
        """What is wrong with a URL that is to be called later, as it is written."""
        try:
            target = target_of(url)
            if target.address:
                self._networks[target.scheme].permitted(target.host, [target.address])
            elif target.scheme == "http" and not self._allow.networks and not self._allow.has_host(target.host):
                return [HTTPS_ONLY]
        except NotAllowed as error:
            return [str(error)]
        return []

    async def host_errors(self, url: str) -> list[str]:
        """What is wrong with where the host of a URL without errors is now; with https it need not be anywhere yet."""
        target = target_of(url)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._networks[target.scheme].find(target.host)
        except NotAllowed as error:
            return [str(error)]
        except (NoAnswer, TimeoutError):
            return [] if target.scheme == "https" or self._allow.has_host(target.host) else [HTTPS_ONLY]
        return []

    def _permits(self, host: str, address: Address) -> bool:
        return is_public(address) or self._allow.has(host, address)


def _encoded(headers: Mapping[str, str]) -> Sequence[tuple[bytes, bytes]]:
    """Headers as they are sent. Raises NotAllowed."""
    try:
        return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    except UnicodeEncodeError:
        raise NotAllowed(BAD_HEADER) from None


def _reason(error: Exception, timeout_seconds: float) -> str:
    """Why there was no answer, for the call's owner."""
    if isinstance(error, TimeoutError):
        return f"There was no answer within {timeout_seconds:g} seconds."
    cause = next(iter(error.args), None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The server's certificate is not valid: {cause.verify_message}."
    if isinstance(error, httpcore.ConnectError):
        return "The server did not agree on TLS."
    return "The server broke off the connection, or did not answer in HTTP."
