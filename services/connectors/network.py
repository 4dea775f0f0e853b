"""Connections to names, each made to the very address that was checked."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

import httpcore

from services.connectors.addresses import Address

# A look-up of a name whose servers do not answer keeps its thread for up to half a minute.
MOST_LOOKUPS = 64
# For each address of a name; the next one may answer.
CONNECT_SECONDS = 4.0


class NotAllowed(Exception):
    """The call may not be made, or not as it is; trying again does not help. The text is for its owner."""


class NoAnswer(Exception):
    """There was no answer; a later try may get one. The text is for the call's owner."""


# The addresses of a host, best first. Raises NoAnswer.
Resolve = Callable[[str], Awaitable[Sequence[Address]]]
# Whether a host may be called at an address.
Permits = Callable[[str, Address], bool]


class Resolver:
    """Asks the system for the addresses of hosts, in threads of its own: a name that takes long delays no other."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MOST_LOOKUPS, thread_name_prefix="resolver")

    async def resolve(self, host: str) -> Sequence[Address]:
        """The addresses of a host, best first. Raises NoAnswer."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host)
        except (OSError, UnicodeError) as error:
            raise NoAnswer(f"The name {host} could not be resolved.") from error
        return list(dict.fromkeys(ip_address(where[0]) for *_, where in found))

    def close(self) -> None:
        """Lets go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves the name for each new connection, and connects to the first address that is permitted and answers.

    TLS above it goes by the name, whatever the address.
    """

    def __init__(self, resolve: Resolve, permits: Permits, refusal: str) -> None:
        """`refusal` is what is wrong with a host that has no permitted address, for its owner."""
        self._resolve = resolve
        self._permits = permits
        self._refusal = refusal
        self._sockets = httpcore.AnyIOBackend()

    def permitted(self, host: str, addresses: Iterable[Address]) -> Sequence[Address]:
        """Those of a host's addresses at which it may be called. Raises NotAllowed when there are none."""
        permitted = [address for address in addresses if self._permits(host, address)]
        if not permitted:
            raise NotAllowed(self._refusal)
        return permitted

    async def find(self, host: str) -> Sequence[Address]:
        """The addresses at which a host may be called now. Raises NotAllowed when there are none, and NoAnswer."""
        return self.permitted(host, await self._resolve(host))

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's name
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises NotAllowed or NoAnswer. The arguments beyond host and port are the pool's, which leaves them empty."""
        failure: Exception | None = None
        for address in await self.find(host):
            try:
                return await self._sockets.connect_tcp(str(address), port, timeout=CONNECT_SECONDS)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise NoAnswer(f"{host} could not be reached.") from failure


def _look_up(host: str) -> list[tuple[Any, ...]]:
    return [*socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
