"""segopsctl events import: every valid line of a file is in the warehouse once, whatever happens on the way."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.account import Account, new_slug
from tests.e2e.segopsctl import segopsctl, started
from tests.running import Running, environment, wait_for

DONE, REFUSED, MISSING, AWAY, REJECTED = 0, 1, 3, 4, 6
USERS = 10
# What an import may hold, whatever the size of its file; half of it is the interpreter and its libraries.
MEMORY_BYTES = 200 * 1024 * 1024


class Imports:
    """Imports into a tenant from a directory of its own."""

    def __init__(self, platform: Running, owner: Account, directory: Path) -> None:
        self.platform = platform
        self.owner = owner
        self.directory = directory

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def command(self, *arguments: str | Path) -> tuple[str, ...]:
        return ("events", "import", *map(str, arguments), "--tenant", self.owner.slug, "--json")

    def run(self, *arguments: str | Path, typed: str = "", code: int = DONE) -> Any:
        """What an import with this exit code sums up."""
        ended = segopsctl(self.platform, *self.command(*arguments), typed=typed)
        assert ended.returncode == code, ended.stderr
        return json.loads(ended.stdout)

    def refused(self, *arguments: str | Path, code: int = REFUSED) -> str:
        """What an import with this exit code complains of."""
        ended = segopsctl(self.platform, *self.command(*arguments))
        assert ended.returncode == code, ended.stdout
        return ended.stderr

    def state(self, path: Path) -> Any:
        return json.loads(self._beside(path, "segops-import").read_text())

    def report(self, path: Path) -> list[Any]:
        return list(map(json.loads, self._beside(path, "rejected.ndjson").read_text().splitlines()))

    def stored(self) -> int:
        """How many events the warehouse has of this tenant."""
        users = self.owner.server.get("/api/explorer/users/", params={"limit": 200}).json()["results"]
        return sum(user["event_count"] for user in users)

    def wait_stored(self, count: int) -> None:
        """Returns when the warehouse has that many events; nothing that was sent before is on its way then."""
        mark = {"user_id": "mark", "event_type": "mark", "message_id": "mark"}
        # The edge takes a moment to find a service again that was killed.
        wait_for(lambda: self.owner.server.post("/api/ingestion/track/", json=mark).status_code == 202)
        wait_for(lambda: self.owner.server.get("/api/explorer/users/mark/").status_code == 200)
        wait_for(lambda: self.stored() >= count + 1)
        assert self.stored() == count + 1

    def _beside(self, path: Path, suffix: str) -> Path:
        return path.with_name(f"{path.name}.{self.owner.slug}.{suffix}")


@pytest.fixture
def imports(platform: Running, owner: Account, tmp_path: Path) -> Imports:
    return Imports(platform, owner, tmp_path)


def line(number: int, **more: object) -> str:
    return json.dumps({"user_id": f"u{number % USERS}", "event_type": "t", "payload": {"n": number}} | more) + "\n"


def lines(count: int) -> str:
    return "".join(map(line, range(count)))


def test_a_file_is_imported_once_and_its_bad_lines_are_reported(imports: Imports) -> None:
    path = imports.write(
        "events.ndjson", lines(600) + "nonsense\n" + line(600) + '{"user_id": "", "event_type": "t"}\n'
    )
    summary = imports.run(path, code=REJECTED)
    assert (summary["queued"], summary["duplicate"], summary["rejected"]) == (601, 0, 2)
    assert imports.report(path) == [
        {"line": 601, "error": "JSON is malformed: invalid character (byte 4).", "text": "nonsense"},
        {"line": 603, "error": "user_id: This field is required.", "text": '{"user_id": "", "event_type": "t"}'},
    ]
    imports.wait_stored(601)
    assert imports.run(path)["sources"][0]["status"] == "done before"
    again = imports.run(path, "--again", code=REJECTED)
    assert again["queued"] + again["duplicate"] == 601
    assert [rejection["line"] for rejection in imports.report(path)] == [601, 603]
    assert imports.stored() == 602


def test_whatever_is_killed_each_event_is_stored_once(imports: Imports, platform: Running) -> None:
    count = 60_000
    path = imports.write("events.ndjson", "".join(line(n) + ("bad\n" if n % 20_000 == 0 else "") for n in range(count)))
    with started(platform, *imports.command(path)) as first:
        wait_for(lambda: _came_to(imports, path, 1))
        first.kill()
    came_to = imports.state(path)["position"]["line"]
    assert 0 < came_to < count
    assert not imports.state(path)["done"]
    with started(platform, *imports.command(path)) as second:
        wait_for(lambda: _came_to(imports, path, came_to + 1))
        _find(platform, "services.ingestion").kill()
        memory = psutil.Process(second.pid).memory_info().rss
        out, err = second.communicate()
    assert second.returncode == REJECTED, err
    assert memory < MEMORY_BYTES
    summary = json.loads(out)
    assert summary["rejected"] == 3
    assert summary["queued"] + summary["duplicate"] == count
    assert [rejection["line"] for rejection in imports.report(path)] == [2, 20_003, 40_004]
    imports.wait_stored(count)


def _came_to(imports: Imports, path: Path, position: int) -> bool:
    try:
        return int(imports.state(path)["position"]["line"]) >= position
    except FileNotFoundError:
        return False


def _find(platform: Running, module: str) -> psutil.Process:
    return next(process for process in platform.family() if module in process.cmdline())


def test_a_platform_that_stays_away_is_given_up_and_the_import_goes_on_later(imports: Imports) -> None:
    path = imports.write("events.ndjson", lines(10))
    away = environment(imports.platform.settings) | {"SEGOPS_INGESTION_ADDRESS": "unix:/nowhere/at/all.sock"}
    command = [sys.executable, "-m", "cli", *imports.command(path, "--wait", "0.5")]
    ended = subprocess.run(command, env=away, capture_output=True, text=True, check=False)
    assert ended.returncode == AWAY, ended.stderr
    assert "waiting for the platform" in ended.stderr
    assert json.loads(ended.stdout)["sources"][0]["status"] == "interrupted"
    assert imports.run(path)["queued"] == 10


def test_tables_gzip_standard_input_and_several_files(imports: Imports) -> None:
    table = "customer,at,amount,note\n" + "".join(f'c{n},25.04.2026,{n}.5,"a\nb"\n' for n in range(3))
    packed = imports.write("orders.bin", gzip.compress(table.encode()))
    other = imports.write("other.csv", "customer,at,amount,note\nc9,26.04.2026,x,\n")
    mapping = ("user_id=customer", "event_type==order", "occurred_at=at:%d.%m.%Y", "payload.total=amount:number")
    maps = [argument for rule in mapping for argument in ("--map", rule)]
    summary = imports.run(packed, other, *maps, code=REJECTED)
    assert [source["queued"] for source in summary["sources"]] == [3, 0]
    assert imports.report(other) == [
        {"line": 2, "error": "payload.total: Must be a number.", "text": "c9,26.04.2026,x,"}
    ]
    summary = imports.run("-", "--name", imports.directory / "pipe", typed=lines(5))
    assert summary["queued"] == 5
    summary = imports.run("-", "--name", imports.directory / "pipe", typed=lines(5))
    assert summary["sources"][0]["status"] == "done before"
    imports.wait_stored(8)
    (event,) = imports.owner.server.get("/api/explorer/users/c2/events/").json()["results"]
    assert event["occurred_at"].startswith("2026-04-25T00:00:00")
    assert event["payload"] == {"total": 2.5}


def test_a_file_that_grew_goes_on_and_one_that_changed_is_refused(imports: Imports) -> None:
    path = imports.write("events.ndjson", lines(3))
    imports.run(path)
    imports.write("events.ndjson", lines(5))
    assert imports.run(path)["queued"] == 5
    imports.write("events.ndjson", lines(5).replace('"u1"', '"u7"'))
    assert "has changed before line 5" in imports.refused(path)
    imports.wait_stored(5)


def test_a_broken_archive_says_so_after_what_could_be_read(imports: Imports) -> None:
    whole = gzip.compress(lines(2_000).encode())
    path = imports.write("events.ndjson.gz", whole[: len(whole) // 2])
    assert "Compressed file ended" in imports.refused(path)
    path.write_bytes(whole)
    assert imports.run(path)["queued"] == 2_000
    imports.wait_stored(2_000)


def test_what_cannot_work_is_refused_before_anything_is_sent(imports: Imports, platform: Running) -> None:
    path = imports.write("events.ndjson", lines(3))
    assert "there is no column 'nobody'" in imports.refused(path, "--map", "user_id=nobody")
    assert segopsctl(platform, "events", "import", str(path), "--tenant", new_slug()).returncode == MISSING
    assert [file.name for file in imports.directory.iterdir()] == ["events.ndjson"]


def test_people_read_what_was_rejected_and_why(imports: Imports, platform: Running) -> None:
    path = imports.write("events.ndjson", "[red]bad[/red]\n" * 7 + lines(1))
    ended = segopsctl(platform, "events", "import", str(path), "--tenant", imports.owner.slug)
    assert ended.returncode == REJECTED, ended.stderr
    assert f"{path}: done, 1 queued, 0 known before, 7 rejected" in ended.stdout
    assert ended.stdout.count("[red]bad[/red]") == 5
    assert "7      Expected `object`, got `array`" in ended.stdout
