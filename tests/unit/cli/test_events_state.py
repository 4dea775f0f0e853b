"""What an import keeps: its state is whole, and its report has each rejection once."""

import json
from pathlib import Path

import pytest

from cli.events.lines import Position
from cli.events.records import Record
from cli.events.rejections import OTHERS, Report, count_reasons, read
from cli.events.state import State, load, save
from services.kit.errors import Conflict


def rejected(line: int, text: bytes = b"x\n", error: str = "No.") -> tuple[Record, str]:
    return Record(line=line, text=text), error


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert load(path) is None
    state = State(identity="a", seen="b", position=Position(line=3, offset=9, digest="d"), queued=2, reported=7)
    save(path, state)
    assert load(path) == state
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "{}", '{"identity": 1}', "nonsense"])
def test_what_is_no_state_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state"
    path.write_text(text)
    with pytest.raises(Conflict, match="Remove it to begin anew"):
        load(path)


def test_a_report_goes_on_where_the_state_ends(tmp_path: Path) -> None:
    path = tmp_path / "report"
    with Report(path, 0) as report:
        report.add([rejected(1)])
        reported = report.flush()
        report.add([rejected(2)])
    with Report(path, reported) as report:
        assert report.flush() == reported
        report.add([rejected(2), rejected(3)])
    assert [rejection.line for rejection in read(path)] == [1, 2, 3]
    with Report(path, 0) as report:
        assert report.flush() == 0
    assert not path.exists()


def test_lines_are_reported_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "report"
    with Report(path, 0) as report:
        report.add([rejected(1, 'ä "\\\r\n'.encode()), rejected(2, b"\xff\x00\n")])
    texts = [json.loads(line)["text"] for line in path.read_text().splitlines()]
    assert texts == ['ä "\\', "\\xff\x00"]


def test_reasons_are_counted_and_not_without_end(tmp_path: Path) -> None:
    path = tmp_path / "report"
    with Report(path, 0) as report:
        report.add([rejected(line, error=f"Malformed (byte {line}).") for line in range(5)])
        report.add([rejected(line, error=f"Error {line}.") for line in range(100)])
    counts = count_reasons(path)
    assert counts["Malformed"] == 5
    assert counts[OTHERS] == 81
