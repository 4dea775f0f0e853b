"""Runs Schemathesis against a platform. Both raise CalledProcessError when it finds something."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from tests.fuzz import world
from tests.fuzz.world import World

HERE = Path(__file__).parent
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def run(url: str, home: Path, *options: str) -> None:
    """Calls the API at `url` in a world of its own, as schemathesis.toml and the options of its command line say.

    `home` is for what the processes share.
    """
    _run("schemathesis.toml", url, home, options, FUZZ_WORLD=_shared(home, world.build(url)))


def run_as_peers(url: str, home: Path, *options: str) -> None:
    """Reads what a tenant has with its key and with another tenant's, as peers.toml says."""
    ours, theirs = world.build(url), world.build(url)
    peers = home / "peers.json"
    peers.write_text(json.dumps({"auth": [_peer("ours", ours), _peer("theirs", theirs)]}))
    _run("peers.toml", url, home, options, FUZZ_WORLD=_shared(home, ours), FUZZ_PEERS=str(peers))


def _run(config: str, url: str, home: Path, options: tuple[str, ...], **variables: str) -> None:
    # Read from where it is served, it would be the one operation that is not called.
    document = home / "openapi.json"
    document.write_bytes(httpx.get(f"{url}/api/schema/", verify=False).content)
    command = [str(SCHEMATHESIS), "--config-file", str(HERE / config), "run", str(document), "--url", url, *options]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": os.curdir} | variables, check=True)


def _shared(home: Path, built: World) -> str:
    path = home / "world.json"
    built.write(path)
    return str(path)


def _peer(name: str, built: World) -> dict[str, object]:
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"ApiKey {built.key}"}]}
