"""A PostgreSQL server as another team runs it: reached by a URL with a password, and nothing else of ours."""

import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from deploy.local.postgres import account, binary, let_through, own_directory
from tests.running import free_port_pair
from tests.scale.parts import Part

BOOTSTRAP = """\
CREATE ROLE segops LOGIN CREATEROLE PASSWORD '{password}'
CREATE DATABASE segops OWNER segops
"""


class ExternalDatabase:
    """One server on a port of its own."""

    def __init__(self, home: Path) -> None:
        owner, port, password = account(), free_port_pair(), secrets.token_hex(8)
        data, sockets = home / "external-postgres", home / "external-sockets"
        identity: dict[str, Any] = (
            {"user": owner.uid, "group": owner.gid, "extra_groups": []} if os.geteuid() == 0 else {}
        )
        if os.geteuid() == 0:
            let_through(data)
            let_through(Path(binary("postgres")))
        own_directory(data, owner)
        own_directory(sockets, owner)
        auth = ["--auth-local=reject", "--auth-host=scram-sha-256", "--username=postgres"]
        self._run([binary("initdb"), "--pgdata", str(data), "--encoding=UTF8", "--locale=C", *auth], identity)
        single = [binary("postgres"), "--single", "-D", str(data), "postgres"]
        self._run(single, identity, feed=BOOTSTRAP.format(password=password))
        options = {"listen_addresses": "127.0.0.1", "port": str(port), "max_connections": "400"}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self.url = f"postgresql://segops:{password}@127.0.0.1:{port}/segops"
        self.server = Part(
            [binary("postgres"), "-D", str(data), "-k", str(sockets), *words],
            ready=self._answers,
            output=home / "external-postgres.out",
            cwd="/",
            **identity,
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @staticmethod
    def _run(command: list[str], identity: dict[str, object], feed: str = "") -> None:
        subprocess.run(  # type: ignore[call-overload]
            command, input=feed, text=True, check=True, capture_output=True, cwd="/", **identity
        )
