"""docker-compose.yml brought up as docker compose does it, with plain processes in the place of containers."""

import json
import os
import random
import re
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.keys import make
from deploy.local.envoy import BINARY as ENVOY
from deploy.local.postgres import account, binary
from tests.composed import ROOT, services
from tests.integration.deploy.place import Place
from tests.redis_server import BINARY as REDIS

HERE = Path(__file__).parent
# A cold start on two cores that are busy with other tests.
START_SECONDS, STOP_SECONDS, POLL_SECONDS = 120.0, 20.0, 0.5
# There is no ClickHouse server that pip installs: the warehouse has its engine in the process here.
LEFT_OUT, WITHOUT = "clickhouse", "SEGOPS_WAREHOUSE_URL"

# Beginnings that random secrets may have, and that a store could take for a date or an option.
MISREADABLE = {"nats_token": "1234-", "segops_database_password": "-", "segops_ratelimit_password": "-"}


class Platform:
    """All services that `docker compose up` starts."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._keys = root / "keys"
        self._keys.mkdir()
        for name, beginning in MISREADABLE.items():
            (self._keys / name).write_text(beginning + secrets.token_urlsafe(32))
        make(self._keys)
        # What is empty is not set.
        self.secrets = {path.name: text for path in self._keys.iterdir() if (text := path.read_text().strip())}
        self._services = {
            name: service for name, service in services().items() if not service.is_tool and name != LEFT_OUT
        }
        network = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}"
        hosts = {name: f"{network}.{number}" for number, name in enumerate(self._services, 2)}
        # It writes down addresses that are Envoy's.
        hosts["prepare"] = hosts["envoy"]
        offset = random.randint(10_000, 15_000)
        self._places = {
            name: Place(service=service, root=root, hosts=hosts, offset=offset)
            for name, service in self._services.items()
        }
        self._entrypoint, self._variables = _image()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._done: set[str] = set()
        edge = self._places["envoy"]
        self.url = f"http://{edge.own}:{edge.port(8080)}"

    def up(self) -> None:
        """Starts each service when what it depends on is there, and returns when all are healthy."""
        deadline = time.monotonic() + START_SECONDS
        while self._services.keys() - self._done:
            assert time.monotonic() < deadline, f"not healthy: {sorted(self._services.keys() - self._done)}"
            for name, service in self._services.items():
                if name not in self._running and self._done >= service.dependencies.keys() - {LEFT_OUT}:
                    self._start(name)
                elif name in self._running and name not in self._done and self._is_done(name):
                    self._done.add(name)
            time.sleep(POLL_SECONDS)

    def down(self) -> Mapping[str, int]:
        """Stops all, the last one first, and answers how each ended; what does not end in time is killed."""
        ended = {}
        for name in reversed(self._running):
            process = self._running[name]
            process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
            try:
                ended[name] = process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                ended[name] = process.wait()
        return ended

    @property
    def names(self) -> list[str]:
        """Of the services."""
        return list(self._services)

    def said(self, name: str) -> str:
        """What a service wrote."""
        return (self._root / f"{name}.log").read_text()

    def _is_done(self, name: str) -> bool:
        status = self._running[name].poll()
        if self._services[name].ends:
            assert status in {None, 0}, self.said(name)
            return status == 0
        assert status is None, f"{name} ended with {status}: {self.said(name)}"
        kind, *test = self._services[name].body["healthcheck"]["test"]
        argv = ["sh", "-c", *test] if kind == "CMD-SHELL" else test
        place = self._places[name]
        ran = subprocess.run(
            [place.translate(word) for word in argv],
            env=self._environment(name),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return ran.returncode == 0

    def _start(self, name: str) -> None:
        place, service = self._places[name], self._services[name]
        if name == "postgres":
            account()  # As in its image: from within its confines it could not be made.
        place.furnish(self._keys)
        writable = [str(place.directory(path)) for path in service.writable]
        confined = [sys.executable, str(HERE / "confined.py"), *writable, "--"]
        with (self._root / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                [*confined, *self._argv(name)], env=self._environment(name), cwd=ROOT, stdout=log, stderr=log
            )

    def _argv(self, name: str) -> list[str]:
        place, service = self._places[name], self._services[name]
        if name == "postgres":
            data, sockets = place.directory("/var/lib/postgresql"), place.directory("/var/run/postgresql")
            init = self._root / name / "docker-entrypoint-initdb.d/segops.sh"
            entrypoint = [sys.executable, "-m", "tests.integration.deploy.postgres_image"]
            listen = ["-c", f"listen_addresses={place.own}"]
            words = [*map(str, (data, sockets, init, place.port(5432))), *service.body["command"], *listen]
            return [*entrypoint, *words]
        entrypoint = service.body.get("entrypoint", self._entrypoint)
        return [*entrypoint, *(place.translate(word) for word in service.body["command"])]

    def _environment(self, name: str) -> dict[str, str]:
        place, service = self._places[name], self._services[name]
        own = dict(service.environment)
        own.pop(WITHOUT, None)
        image = self._variables if service.is_ours else {}
        variables = "\n".join(f"{key}={value}" for key, value in (image | own).items())
        translated = dict(line.split("=", 1) for line in place.translate(variables).splitlines())
        return translated | {"PATH": self._path(name), "HOME": "/nonexistent", "LANG": "C.UTF-8"}

    def _path(self, name: str) -> str:
        """A directory of its own with the programs of the image first."""
        place, programs = self._places[name], self._root / name / "programs"
        programs.mkdir(parents=True, exist_ok=True)
        tool = shlex.join([sys.executable, "-P", str(HERE / "image_tools.py")])
        at = f"{place.own}:{place.port(6379)}"
        for program, line in {
            "envoy": str(ENVOY),
            "pg_isready": f"{binary('pg_isready')} --port={place.port(5432)}",
            "valkey-cli": f"{tool} valkey-cli {at}",
            "wget": f"{tool} wget",
        }.items():
            _write(programs / program, f'exec {line} "$@"')
        _write(programs / "valkey-server", f'exec {REDIS} "$@" --bind {place.own} --port {place.port(6379)}')
        return f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"


def _write(path: Path, line: str) -> None:
    if not path.exists():
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)


def _image() -> tuple[list[str], dict[str, str]]:
    """The entrypoint of our image, and its variables."""
    text = (ROOT / "deploy/Dockerfile").read_text()
    [words] = re.findall(r"^ENV (PATH=.+)$", text, re.MULTILINE)
    [entrypoint] = re.findall(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)
    return json.loads(entrypoint), dict(word.split("=", 1) for word in words.split())
