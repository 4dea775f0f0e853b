"""The embedded backends keep what they accepted, whatever happens to their process."""

import nats
import nats.errors
import pytest

from services.kit.keys import NATS_TOKEN, secret
from tests.integration.local.conftest import Start
from tests.running import Running, wait_for


def rows(running: Running) -> list[tuple[object, ...]]:
    with wait_for(running.database) as connection:
        return connection.execute("SELECT id FROM kept ORDER BY id").fetchall()


def keep(running: Running, number: int) -> None:
    with wait_for(running.database) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (id integer)")
        connection.execute("INSERT INTO kept VALUES (%s)", [number])


def test_a_killed_database_comes_back_with_every_committed_row(start: Start) -> None:
    running = start("postgres")
    keep(running, 1)
    server = wait_for(lambda: running.find("postgres"))
    server.kill()
    wait_for(lambda: (found := running.find("postgres")) and found.pid != server.pid)
    assert rows(running) == [(1,)]


def test_a_second_start_on_the_same_directory_finds_all_rows(start: Start) -> None:
    first = start("postgres")
    keep(first, 1)
    first.stop()
    second = start("postgres", port=first.settings.edge_port)
    assert rows(second) == [(1,)]


def test_a_process_id_that_another_program_has_by_now_does_not_stop_the_database(start: Start) -> None:
    first = start("postgres")
    keep(first, 1)
    first.stop()
    another = start("nats", home="another")
    (first.settings.home / "postgres" / "postmaster.pid").write_text(f"{another.process.pid}\n")
    assert rows(start("postgres", port=first.settings.edge_port)) == [(1,)]


def test_text_sorts_and_folds_as_unicode_everywhere(start: Start) -> None:
    running = start("postgres")
    with wait_for(running.database) as connection:
        answer = connection.execute("SELECT lower('ÄÖ'), pg_encoding_to_char(encoding) FROM pg_database").fetchone()
    assert answer == ("äö", "UTF8")


async def test_a_killed_event_log_comes_back_with_every_acknowledged_message(start: Start) -> None:
    running = start("nats")
    wait_for(running.event_log_listens)
    token = secret(running.settings, NATS_TOKEN)
    client = await nats.connect(running.settings.nats_dsn, token=token)
    await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
    await client.jetstream().publish("kept", b"x" * 16_000_000)
    wait_for(lambda: running.find("nats-server")).kill()
    await client.close()
    wait_for(lambda: "its log: " in running.said() and running.event_log_listens())
    client = await nats.connect(running.settings.nats_dsn, token=token)
    assert (await client.jetstream().stream_info("KEPT")).state.messages == 1
    await client.close()


async def test_the_event_log_refuses_a_stranger(start: Start) -> None:
    running = start("nats")
    wait_for(running.event_log_listens)
    with pytest.raises(nats.errors.Error, match="Authorization"):
        await nats.connect(running.settings.nats_dsn, allow_reconnect=False)
