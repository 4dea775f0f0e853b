"""Two platforms on one machine, and what may be in the way of one."""

import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.kit.settings import Settings
from tests.integration.local.conftest import Start
from tests.running import WAIT_SECONDS, environment, free_port_pair, wait_for


@pytest.mark.parametrize(("program", "offset"), [("envoy", 0), ("nats", 1)])
@pytest.mark.parametrize("command", ["run", "up"])
def test_a_port_in_use_is_named(tmp_path: Path, command: str, program: str, offset: int) -> None:
    port = free_port_pair()
    settings = Settings(data_dir=tmp_path, edge_port=port)
    only = ["--only", program] if command == "run" else []
    with socket.create_server(("127.0.0.1", port + offset), reuse_port=True):
        answer = subprocess.run(
            [sys.executable, "-m", "deploy.local", command, *only],
            env=environment(settings),
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
    assert answer.returncode == 1
    assert f"Port {port + offset}" in answer.stderr
    assert "SEGOPS_EDGE_PORT" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_a_second_platform_on_the_same_data_is_refused_and_the_first_goes_on(start: Start) -> None:
    first = start("nats")
    wait_for(first.event_log_listens)
    second = start("nats", port=free_port_pair())
    # Both write to the same file; the first has said all it has to say by now.
    assert second.process.wait(WAIT_SECONDS) == 1
    assert f"already runs on {first.settings.home} (process {first.process.pid})" in second.said()
    assert first.event_log_listens()


def test_two_platforms_run_side_by_side(start: Start) -> None:
    first, second = start("postgres", "nats", home="a"), start("postgres", "nats", home="b")
    first.await_backends()
    second.await_backends()


@pytest.mark.parametrize("home", ["per%cent and space", "long/" + "x" * 100])
def test_any_directory_name_works(start: Start, home: str) -> None:
    start("postgres", "nats", home=home).await_backends()


def test_keys_and_sockets_are_readable_by_their_owner_only(start: Start) -> None:
    running = start("postgres", "nats")
    running.await_backends()
    home = running.settings.home
    for directory in (home, home / "log", home / "secrets", running.settings.run_dir / "postgres", home / "postgres"):
        assert not stat.S_IMODE(directory.stat().st_mode) & (stat.S_IRWXG | stat.S_IROTH | stat.S_IWOTH)
    for file in [*(home / "secrets").iterdir(), home / "nats.conf"]:
        assert not stat.S_IMODE(file.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)


def test_down_without_a_platform_says_so(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "deploy.local", "down"],
        env=environment(Settings(data_dir=tmp_path)),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=True,
    )
    assert "No platform runs" in answer.stdout


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "deploy.local", "run"],
        env=environment(Settings(data_dir=tmp_path)) | {"SEGOPS_EDGE_PORT": "eighty"},
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("SEGOPS_EDGE_PORT: ")
