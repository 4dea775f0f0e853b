"""What the official PostgreSQL image does at first: `postgres_image.py DATA SOCKETS INIT PORT postgres ...`."""

import os
import subprocess
import sys
from pathlib import Path

from deploy.local.postgres import account, binary, let_through, own_directory


def main(data: Path, sockets: Path, init: Path, port: str, arguments: list[str]) -> None:
    """Makes a cluster when there is none, and becomes the server."""
    owner = account()
    if os.geteuid() == 0:
        for path in (data, sockets, init, Path(os.environ["POSTGRES_PASSWORD_FILE"]), Path(binary("postgres"))):
            let_through(path)
        for directory in (data, sockets):
            own_directory(directory, owner)
        os.setgroups([])
        os.setgid(owner.gid)
        os.setuid(owner.uid)
    os.chdir("/")
    cluster = data / "18"
    server = [binary("postgres"), "-D", str(cluster), "-k", str(sockets), "-p", port]
    if not cluster.exists():
        options = os.environ["POSTGRES_INITDB_ARGS"].split()
        password = f"--pwfile={os.environ['POSTGRES_PASSWORD_FILE']}"
        run = [binary("initdb"), "-D", str(cluster), "--username=postgres", "--auth-host=scram-sha-256", password]
        subprocess.run([*run, *options], check=True)
        control = [binary("pg_ctl"), "-D", str(cluster), "-o", f"-k {sockets} -p {port} -c listen_addresses=''", "-w"]
        subprocess.run([*control, "start"], check=True)
        found = {"PGHOST": str(sockets), "PGPORT": port, "PGUSER": "postgres", "PGDATABASE": "postgres"}
        programs = ":".join((str(Path(server[0]).parent), os.environ["PATH"]))
        subprocess.run(["bash", str(init)], check=True, env=os.environ | found | {"PATH": programs})
        subprocess.run([*control, "stop"], check=True)
    os.execv(server[0], [*server, *arguments])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[6:])
