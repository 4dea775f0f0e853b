"""Three NATS servers that keep the event log together."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import nats
from nats.js.api import StreamInfo
from nats.js.errors import NotFoundError

from deploy.local.nats import MAX_PAYLOAD
from services.kit.eventlog import STREAM
from services.kit.keys import NATS_TOKEN, secret
from services.kit.settings import Settings
from tests.running import free_port_pair
from tests.scale.parts import START_SECONDS, Part

SERVERS = 3
CONFIG = """\
server_name: {name}
host: 127.0.0.1
port: {port}
max_payload: {payload}
jetstream {{ store_dir: {store}, sync_interval: always }}
authorization {{ token: {token} }}
cluster {{ name: segops, listen: "127.0.0.1:{route}", routes: {routes} }}
"""


class LogCluster:
    """The servers by their names; each may be killed and started."""

    def __init__(self, home: Path, token: str) -> None:
        ports = [free_port_pair() for _ in range(SERVERS)]
        routes = [f"nats-route://127.0.0.1:{port + 1}" for port in ports]
        self.urls = [f"nats://127.0.0.1:{port}" for port in ports]
        self.servers: dict[str, Part] = {}
        for number, port in enumerate(ports):
            name = f"log-{number}"
            config = home / f"{name}.conf"
            config.write_text(
                CONFIG.format(
                    name=name,
                    port=port,
                    payload=MAX_PAYLOAD,
                    store=json.dumps(str(home / name)),
                    token=json.dumps(token),
                    route=port + 1,
                    routes=json.dumps(routes),
                )
            )
            self.servers[name] = Part(
                [str(Path(sys.executable).parent / "nats-server"), "--config", str(config)],
                ready=lambda: True,
                output=home / f"{name}.out",
            )


async def state(settings: Settings, stream: str = STREAM) -> StreamInfo | None:
    """What the cluster says of a stream; None while it says nothing, or there is none."""
    client = await nats.connect(
        settings.nats_servers, token=secret(settings, NATS_TOKEN), connect_timeout=1, max_reconnect_attempts=3
    )
    try:
        return await client.jetstream(timeout=1).stream_info(stream)
    except (nats.errors.Error, NotFoundError):
        return None
    finally:
        await client.close()


async def current(settings: Settings, streams: Sequence[str]) -> None:
    """Returns when every server has all of each stream."""
    async with asyncio.timeout(START_SECONDS):
        for stream in streams:
            while not _is_whole(await state(settings, stream)):
                await asyncio.sleep(0.1)


async def leader(settings: Settings) -> str:
    """The name of the server that leads the event log's stream."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            info = await state(settings)
            if info and info.cluster and info.cluster.leader:
                return info.cluster.leader
            await asyncio.sleep(0.1)


def _is_whole(info: StreamInfo | None) -> bool:
    replicas = info.cluster.replicas if info and info.cluster else None
    return replicas is not None and len(replicas) == SERVERS - 1 and all(peer.current for peer in replicas)
