"""Disks that are really full: small file systems, mounted where the warehouse and the event log keep their data."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.load import Load
from tests.chaos.outages import accepted_more, refused_more
from tests.chaos.platform import process, running_platform, sending_account, stored, url
from tests.running import Running

DISK_MIB = 96
CHUNK = bytes(65536)
MOUNT = f"""
for name in warehouse nats; do
  mkdir -p "$0/$name" && mount -t tmpfs -o size={DISK_MIB}m tmpfs "$0/$name" || exit 1
done
exec "$@"
"""


def on_small_disks(home: Path) -> tuple[str, ...]:
    """What starts a command that sees small disks of its own in a directory; skips where that cannot be had."""
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("mounting a small disk needs root and unshare")
    wrapper = ("unshare", "--mount", "sh", "-c", MOUNT, str(home))
    tried = subprocess.run([*wrapper, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no small disk can be mounted here: {tried.stderr.strip()}")
    return wrapper


@contextmanager
def full(running: Running, name: str) -> Iterator[None]:
    """A disk is full to the last byte while the block runs. It is reached through a process that sees it."""
    filler = Path(f"/proc/{running.process.pid}/root{running.settings.home}/{name}/filler")
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(CHUNK) == len(CHUNK):
                continue
        except OSError:
            pass
    yield
    filler.unlink()


async def test_full_disks_lose_nothing_and_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    home = tmp_path / "data"
    with running_platform(home, wrapper=on_small_disks(home)) as running, sending_account(running) as account:
        ingestion = process(running, "ingestion")
        load = Load(url(running), account.key, seed=1)
        async with load.running() as book:
            await accepted_more(book, 500)
            with full(running, "warehouse"):
                await accepted_more(book, 3_000)
            assert set(book.answers) == {202}
            with full(running, "nats"):
                await refused_more(book, 50)
            await accepted_more(book, 500)
        found = await stored(running.settings, account)
        assert process(running, "ingestion") == ingestion
    book.check(found)
