"""Batches: of bounded size, with ids that are the same whenever the same is read, and different otherwise."""

import gzip
from pathlib import Path

import pytest

from cli.events.batches import MAX_BYTES, MAX_EVENTS, Batch, batches
from cli.events.lines import Lines
from cli.events.ndjson import read_ndjson
from cli.events.sources import open_source


def read(path: Path) -> list[Batch]:
    with open_source(path) as source:
        lines = Lines(source.content)
        return list(batches(read_ndjson(lines), lines, source, source.identity))


def ids(path: Path) -> list[str]:
    return [event.message_id for batch in read(path) for event in batch.request.events]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.ndjson"


def test_batches_have_500_events_or_two_megabytes(path: Path) -> None:
    path.write_text('{"user_id": "u"}\n' * 1_200)
    assert [len(batch.sent) for batch in read(path)] == [MAX_EVENTS, MAX_EVENTS, 200, 0]
    path.write_text(f'{{"user_id": "{"x" * 500_000}"}}\n' * 12)
    sizes = [sum(len(record.text) for record in batch.sent) for batch in read(path)]
    assert max(sizes) < MAX_BYTES + 1_000_000
    assert len(sizes) == 4


def test_the_end_of_the_last_batch_is_the_end_of_the_source(path: Path) -> None:
    path.write_text('nonsense\n{"user_id": "u"}\n\n\n')
    first, last = read(path)
    assert ([record.line for record in first.sent], [record.line for record in first.rejected]) == ([2], [1])
    assert last.end.line == 4
    assert last.end.offset == last.read == path.stat().st_size


def test_ids_are_the_same_for_the_same_line_of_the_same_file_only(path: Path, tmp_path: Path) -> None:
    path.write_text('{"user_id": "u"}\n' * 3)
    first = ids(path)
    assert len(set(first)) == 3
    assert max(map(len, first)) <= 128
    assert ids(path) == first
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    assert ids(copy) == first
    copy.write_text('{"user_id": "u"}\n' * 3 + "\n")
    assert not set(ids(copy)) & set(first)


def test_files_that_differ_in_their_middle_only_share_no_event_that_differs(path: Path, tmp_path: Path) -> None:
    filler = f'{{"user_id": "{"x" * 1_000}"}}\n' * 3_000
    other = tmp_path / "other"
    path.write_text(filler + '{"user_id": "a"}\n' + filler)
    other.write_text(filler + '{"user_id": "b"}\n' + filler)
    assert [one == two for one, two in zip(ids(path), ids(other), strict=True)].count(False) == 1


def test_an_event_s_own_id_stays(path: Path) -> None:
    path.write_text('{"user_id": "u", "message_id": "mine"}\n')
    assert ids(path) == ["mine"]


def test_gzip_is_told_by_content(path: Path) -> None:
    path.write_bytes(gzip.compress(b'{"user_id": "u"}\n' * 600) + gzip.compress(b'{"user_id": "v"}\n'))
    found = read(path)
    assert [len(batch.sent) for batch in found] == [500, 101, 0]
    assert found[-1].end.line == 601
    assert found[-1].read == path.stat().st_size
