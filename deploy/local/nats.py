"""Writes the event log's configuration and becomes the NATS server."""

import json
import os
import sys
from pathlib import Path

from services.kit.keys import NATS_TOKEN, secret
from services.kit.settings import Settings

# Above the edge's 16 MiB body: one request is one message, and its rows carry more columns than its events.
MAX_PAYLOAD = "24MB"


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


def main() -> None:
    """Replaces this process by the server."""
    settings = Settings()
    config = settings.home / "nats.conf"
    config.touch(mode=0o600)
    config.write_text(render(settings))
    server = Path(sys.executable).parent / "nats-server"
    os.execv(server, [str(server), "--config", str(config)])


if __name__ == "__main__":
    main()
