"""Writes the event log's configuration and becomes the NATS server, as long as its disk has room."""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from deploy.local.orphans import die_with_parent
from services.kit.keys import NATS_TOKEN, secret
from services.kit.settings import Settings

# Above the edge's 16 MiB body: one request is one message, and its rows carry more columns than its events.
MAX_PAYLOAD = "24MB"

# A server that could not write takes nothing more, and says so to nobody, until it is started again: it is ended before
# that, and started when there is room. Of a small disk a tenth is kept free.
KEPT_FREE_BYTES, KEPT_FREE_SHARE = 256 * 1024 * 1024, 10
POLL_SECONDS = 0.2


def render(settings: Settings) -> str:
    """The configuration: loopback only, with a token, every write on disk before it is acknowledged."""
    return f"""\
server_name: segops
host: 127.0.0.1
port: {settings.nats_port}
max_payload: {MAX_PAYLOAD}
jetstream {{
  store_dir: {json.dumps(str(settings.home / "nats"))}
  sync_interval: always
}}
authorization {{ token: {json.dumps(secret(settings, NATS_TOKEN))} }}
"""


def has_room(store: Path, times: int = 1) -> bool:
    """Whether the disk has `times` as much room as is kept free."""
    disk = shutil.disk_usage(store)
    return disk.free > times * min(KEPT_FREE_BYTES, disk.total // KEPT_FREE_SHARE)


def await_room(store: Path) -> None:
    """Returns when there is room to begin with."""
    if not has_room(store, 2):
        print("The event log's disk is full: events are refused until there is room.", file=sys.stderr, flush=True)
    while not has_room(store, 2):
        time.sleep(POLL_SECONDS)


def watch(store: Path) -> None:
    """Leaves a process behind that ends this one, whatever it has become, when the disk has no room."""
    server = os.getpid()
    if os.fork():
        return
    die_with_parent(signal.SIGKILL, server)
    while has_room(store):
        time.sleep(POLL_SECONDS)
        if os.getppid() != server:
            os._exit(0)
    os.kill(server, signal.SIGTERM)
    os._exit(0)


def main() -> None:
    """Replaces this process by the server."""
    settings = Settings()
    store = settings.home / "nats"
    store.mkdir(parents=True, exist_ok=True)
    await_room(store)
    watch(store)
    config = settings.home / "nats.conf"
    config.touch(mode=0o600)
    config.write_text(render(settings))
    server = Path(sys.executable).parent / "nats-server"
    os.execv(server, [str(server), "--config", str(config)])


if __name__ == "__main__":
    main()
