"""Exports as a client of the edge sees them."""

import csv
import io
import os
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest
from pyarrow import parquet

from tests.e2e.account import Account
from tests.e2e.test_outages import find
from tests.running import Running, wait_for

NOBODY = {
    "logic": "AND",
    "conditions": [{"type": "event_count", "event_type": "never", "operator": "gt", "value": 0}],
}
STALLED = 30
MIB = 1024 * 1024


def computed(owner: Account, name: str = "Segment") -> int:
    """A segment that was computed, with nobody in it; its id."""
    segment_id: int = owner.server.post("/api/segments/", json={"name": name, "definition": NOBODY}).json()["id"]
    owner.server.post(f"/api/segments/{segment_id}/compute/")
    wait_for(lambda: owner.server.get(f"/api/segments/{segment_id}/").json()["status"] == "computed")
    return segment_id


def fill(platform: Running, owner: Account, segment_id: int, expression: str, count: int) -> None:
    """Makes `count` users members, whose ids are an SQL expression of `number`."""
    connection = platform.database()
    assert connection is not None
    with connection:
        connection.execute(
            f"""
            INSERT INTO memberships (tenant_id, user_id, segment_id, entered_at)
            SELECT %s, {expression}, %s, now() FROM generate_series(1, %s) number""".encode(),
            (owner.tenant_id, segment_id, count),
        )


def exported(owner: Account, segment_id: int, file_format: str = "csv") -> dict[str, object]:
    """A complete export."""
    asked = owner.server.post(f"/api/segments/{segment_id}/export/", json={"format": file_format})
    assert asked.status_code == 202, asked.text
    waiting = asked.json()
    assert waiting["status"] == "pending"
    assert waiting["id"] == waiting["export_id"]

    def done() -> dict[str, object] | None:
        path = f"/api/segments/{segment_id}/export/?export_id={waiting['export_id']}"
        shown: dict[str, object] = owner.server.get(path).json()
        return None if shown["status"] in ("pending", "running") else shown

    export = wait_for(done)
    assert export["status"] == "complete", export
    return export


def large(platform: Running, owner: Account) -> tuple[str, Path]:
    """The URL and the path of an export of 28 MB: more than the network takes in while nobody reads."""
    segment_id = computed(owner)
    fill(platform, owner, segment_id, "rpad(number::text, 256, 'x')", 100_000)
    export = exported(owner, segment_id)
    [path] = (platform.settings.home / "exports").glob(f"{owner.tenant_id}-{export['id']}-*.csv")
    return str(export["download_url"]), path


def test_a_csv_is_downloaded_under_a_name(platform: Running, owner: Account, url: str) -> None:
    segment_id = computed(owner, "Größe, “A/B”")
    fill(platform, owner, segment_id, """'Üser "' || number || '", x'""", 3)
    export = exported(owner, segment_id)
    assert (export["row_count"], export["error"], export["format"]) == (3, None, "csv")
    assert export["download_url"] == f"{url}/api/segments/exports/{export['id']}/download/"
    answer = owner.server.get(str(export["download_url"]))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="segment-{segment_id}-export-{export["id"]}.csv"; '
        f"filename*=UTF-8''Gr%C3%B6%C3%9Fe%2C%20%E2%80%9CA_B%E2%80%9D%20{export['id']}.csv"
    )
    assert answer.headers["content-length"] == str(len(answer.content))
    at = owner.server.get(f"/api/segments/{segment_id}/").json()["last_computed_at"]
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert rows == [["user_id", "computed_at"], *([f'Üser "{number}", x', at] for number in (1, 2, 3))]


def test_a_parquet_file_is_downloaded(platform: Running, owner: Account) -> None:
    segment_id = computed(owner)
    fill(platform, owner, segment_id, "number::text", 3)
    answer = owner.person.get(str(exported(owner, segment_id, "parquet")["download_url"]))
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert ".parquet" in answer.headers["content-disposition"]
    table = parquet.read_table(io.BytesIO(answer.content))
    assert table.column("user_id").to_pylist() == ["1", "2", "3"]


def test_the_download_is_on_the_host_that_the_client_used(owner: Account) -> None:
    segment_id = computed(owner)
    export = exported(owner, segment_id)
    path = f"/api/segments/{segment_id}/export/?export_id={export['id']}"
    shown = owner.server.get(path, headers={"host": "segops.example.com"}).json()
    assert shown["download_url"] == f"http://segops.example.com/api/segments/exports/{export['id']}/download/"


def test_what_is_wrong_with_an_export_is_said(owner: Account, stranger: Account, http: httpx.Client) -> None:
    segment_id = computed(owner)
    export = exported(owner, segment_id)
    never = owner.server.post("/api/segments/", json={"name": "never computed"}).json()["id"]
    path, download = f"/api/segments/{segment_id}/export/", f"/api/segments/exports/{export['id']}/download/"
    found = [
        (answer.status_code, answer.json())
        for answer in (
            owner.server.post(path, json={}),
            owner.server.post(path, json={"format": "xml"}),
            owner.server.post(f"/api/segments/{never}/export/", json={"format": "csv"}),
            owner.server.get(path),
            owner.server.get(f"{path}?export_id=x"),
            owner.server.get(f"{path}?export_id=2147483647"),
            stranger.server.post(path, json={"format": "csv"}),
            stranger.server.get(f"{path}?export_id={export['id']}"),
            stranger.server.get(download),
            http.get(download),
        )
    ]
    missing = (404, {"detail": "Not found."})
    assert found == [
        (400, {"format": ["This field is required."]}),
        (400, {"format": ["'xml' is not one of csv, parquet"]}),
        (400, {"detail": "The segment has not been computed yet."}),
        (400, {"export_id": ["This field is required."]}),
        (400, {"export_id": ["'x' is not a whole number."]}),
        missing,
        missing,
        missing,
        missing,
        (401, {"detail": "Authentication credentials were not provided or are not valid."}),
    ]


def test_readers_who_stall_cost_little_and_hold_nobody_up(platform: Running, owner: Account) -> None:
    download, path = large(platform, owner)
    envoy, segments = platform.find("envoy"), find(platform, "services.segments")
    assert envoy is not None
    before = {process: process.memory_info().rss for process in (envoy, segments)}
    with ExitStack() as stalled:
        answers = [stalled.enter_context(owner.server.stream("GET", download)) for _ in range(STALLED)]
        assert {answer.status_code for answer in answers} == {200}
        for _ in range(3):
            assert owner.server.get("/api/segments/membership/?user_id=1").status_code == 200
        for process, memory in before.items():
            assert process.memory_info().rss - memory < STALLED * 4 * MIB
        read = places(segments, path)
        assert len(read) == STALLED
        assert max(read) < path.stat().st_size / 2
    wait_for(lambda: not places(segments, path))


def test_a_download_that_breaks_off_does_not_look_whole(platform: Running, owner: Account) -> None:
    download, path = large(platform, owner)
    with owner.server.stream("GET", download) as answer:
        parts = answer.iter_raw(1000)
        next(parts)
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            list(parts)


def places(process: psutil.Process, path: Path) -> list[int]:
    """How far the process has read in each of its open files at `path`, in bytes."""
    return [file.position for file in process.open_files() if file.path == str(path)]
