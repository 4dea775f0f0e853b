"""The authz process: decides on every request before Envoy lets it through."""

import asyncio
import signal
from pathlib import Path

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from edge.app import App
from edge.credentials import Credentials
from edge.decision import Door
from edge.identity_client import IdentityClient
from edge.public_services import public_services
from edge.readiness import Readiness
from edge.routes import RouteTable
from edge.usage import KeyUsage
from services.kit import logs
from services.kit.channel import connect
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.listening import Listener
from services.kit.settings import Settings


def listener_on(address: str, app: App) -> Server:
    """The HTTP server for `app` on `unix:/path` or `host:port`."""
    if address.startswith("unix:"):
        socket = Path(address.removeprefix("unix:"))
        socket.unlink(missing_ok=True)  # left by a process that was killed
        return Server(app, uds=socket, interface=Interfaces.RSGI)
    host, _, port = address.rpartition(":")
    return Server(app, address=host, port=int(port), interface=Interfaces.RSGI)


async def main(settings: Settings) -> None:
    identity_key = private_key(settings, INTERNAL_KEY)
    identity = IdentityClient(connect(settings, "identity"), identity_key)
    listener, usage = Listener(settings, "credentials"), KeyUsage()
    credentials = Credentials(identity=identity, listening=listener.is_connected)
    door = Door(
        routes=RouteTable(public_services()),
        credentials=credentials,
        identity_key=identity_key,
        used=usage.note,
    )
    server = listener_on(settings.listen or settings.address("authz"), App(door=door, readiness=Readiness(settings)))
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, server.stop)
    async with asyncio.TaskGroup() as group:
        background = [
            group.create_task(listener.run(credentials.forget, credentials.forget_all)),
            group.create_task(usage.run(identity)),
        ]
        await server.serve()
        for task in background:
            task.cancel()


if __name__ == "__main__":
    settings = Settings()
    logs.configure("authz", settings.log_level)
    uvloop.run(main(settings))
