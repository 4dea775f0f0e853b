"""Starting, stopping and dying: what an operator relies on."""

import signal
import time

import psutil
import pytest

from deploy.local.programs import STOP_SECONDS
from tests.integration.local.conftest import Start
from tests.running import alive, wait_for

PROMISED_STOP_SECONDS = 10


def test_the_slowest_stop_is_within_the_promise() -> None:
    assert sum(STOP_SECONDS.values()) < PROMISED_STOP_SECONDS


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_leaves_no_process(start: Start, signum: signal.Signals) -> None:
    running = start("postgres", "nats")
    running.await_backends()
    family = running.family()
    begin = time.monotonic()
    assert running.stop(signum) == 0
    assert time.monotonic() - begin < PROMISED_STOP_SECONDS
    assert not alive(family)
    assert "Stopped." in running.said()


def test_a_killed_supervisor_leaves_no_process(start: Start) -> None:
    running = start("postgres", "nats")
    running.await_backends()
    family = running.family()
    assert len(family) > len(["supervisor", "postgres", "nats"])
    running.stop(signal.SIGKILL)
    wait_for(lambda: not alive(family))


def test_a_supervisor_killed_while_it_starts_leaves_no_process(start: Start) -> None:
    running = start("postgres", "nats")
    wait_for(lambda: len(running.family()) > len(["supervisor", "postgres"]))
    family = running.family()
    running.stop(signal.SIGKILL)
    wait_for(lambda: not alive(family))


def test_a_platform_ends_with_the_process_that_asked_for_it(start: Start) -> None:
    script = '"$@" --with-parent & wait'
    running = start("nats", wrapper=("sh", "-c", script, "sh"))
    wait_for(running.event_log_listens)
    family = running.family()
    running.stop(signal.SIGKILL)
    wait_for(lambda: not alive(family))


def test_a_new_start_right_after_a_kill_works(start: Start) -> None:
    first = start("postgres", "nats")
    first.await_backends()
    first.stop(signal.SIGKILL)
    second = start("postgres", "nats", port=first.settings.edge_port)
    second.await_backends()


def test_a_dead_process_is_started_again_and_the_operator_reads_it(start: Start) -> None:
    running = start("nats")
    first = wait_for(lambda: running.find("nats-server"))
    wait_for(running.event_log_listens)
    first.kill()
    wait_for(lambda: (found := running.find("nats-server")) and found.pid != first.pid)
    assert f"its log: {running.settings.home}/log/nats.log" in running.said()


def test_a_process_that_cannot_start_is_tried_again_and_again(start: Start) -> None:
    running = start("nats", home="in the way")
    wait_for(running.event_log_listens)
    config = running.settings.home / "nats.conf"
    config.unlink()
    config.mkdir()
    psutil.Process(wait_for(lambda: running.find("nats-server")).pid).kill()
    # The kill itself and then two attempts that failed.
    wait_for(lambda: running.said().count("its log: ") >= len(["kill", "first attempt", "second attempt"]))
    config.rmdir()
    wait_for(running.event_log_listens)
