"""The authz process: decides on every request before Envoy lets it through."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from edge import metrics
from edge.app import App
from edge.counts import Counts
from edge.credentials import Credentials
from edge.decision import Door
from edge.identity_client import IdentityClient
from edge.limits import Limits
from edge.openapi.files import files
from edge.public_services import public_services
from edge.readiness import Readiness
from edge.routes import RouteTable
from edge.shared_counts import SharedCounts, Store
from edge.usage import KeyUsage
from services.kit import logs, metrics_server, tracing
from services.kit.channel import connect
from services.kit.ending import end
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.listening import Listener
from services.kit.metrics import READY
from services.kit.settings import Settings

# In a minute, of 120 bytes each. Networks of IPv6 count as one.
MAX_ADDRESSES = 100_000


def listener_on(address: str, app: App) -> Server:
    """The HTTP server for `app` on `unix:/path` or `host:port`."""
    if address.startswith("unix:"):
        socket = Path(address.removeprefix("unix:"))
        socket.unlink(missing_ok=True)  # left by a process that was killed
        return Server(app, uds=socket, interface=Interfaces.RSGI)
    host, _, port = address.rpartition(":")
    return Server(app, address=host, port=int(port), interface=Interfaces.RSGI)


def counting(settings: Settings) -> tuple[Limits, Sequence[Callable[[], Coroutine[Any, Any, None]]]]:
    """The limits, and what keeps them together with those of other edges, if they share a store."""
    tenants, addresses = Counts(), Counts(most=MAX_ADDRESSES)
    stranger_calls = settings.stranger_requests_per_minute
    if not settings.ratelimit_dsn:
        return Limits(tenants=tenants, addresses=addresses, stranger_calls=stranger_calls), ()
    store = Store(settings.ratelimit_dsn)
    shared = SharedCounts(store, tenants)
    limits = Limits(tenants=shared, addresses=SharedCounts(store, addresses), stranger_calls=stranger_calls)
    return limits, (store.watch, shared.share)


async def hand_over(server: Server, leaving: asyncio.Event, seconds: float) -> None:
    """Once the process is told to stop, takes requests until Envoy knows of it, and then ends the server."""
    await leaving.wait()
    await asyncio.sleep(seconds)
    server.stop()  # type: ignore[no-untyped-call]


async def main(settings: Settings) -> None:
    identity_key = private_key(settings, INTERNAL_KEY)
    identity = IdentityClient(connect(settings, "identity"), identity_key)
    listener, usage = Listener(settings, "credentials"), KeyUsage()
    metrics.CREDENTIALS_CURRENT.set_function(listener.is_current)
    # It decides as long as it runs: without identity, for those whom it remembers.
    READY.set(1)
    limits, sharing = counting(settings)
    credentials = Credentials(identity=identity, listening=listener.is_current, limits=limits)
    door = Door(
        routes=RouteTable(public_services()),
        credentials=credentials,
        limits=limits,
        identity_key=identity_key,
        used=usage.note,
    )
    leaving = asyncio.Event()
    app = App(door=door, readiness=Readiness(settings), files=files(), leaving=leaving)
    server = listener_on(settings.listens_on("authz"), app)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, leaving.set)
    async with asyncio.TaskGroup() as group:
        background = [
            group.create_task(listener.run(credentials.forget, credentials.forget_all)),
            group.create_task(usage.run(identity)),
            *(group.create_task(keep()) for keep in sharing),
            group.create_task(hand_over(server, leaving, settings.handover_seconds)),
        ]
        await server.serve()
        await end(background)


if __name__ == "__main__":
    settings = Settings()
    logs.configure("authz", settings.log_level)
    metrics_server.serve("authz", settings.metrics_address("authz"))
    tracing.configure("authz", settings)
    uvloop.run(main(settings))
    tracing.finish()
