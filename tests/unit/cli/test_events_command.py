"""segopsctl events import: a wrong command line is told before anything is asked of a platform."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app

WRONG = 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no-such-file",), "there is no file no-such-file"),
        (("{file}", "{file}"), "the same file twice"),
        (("{file}", "--map", "nonsense"), "neither FIELD=COLUMN nor FIELD==TEXT"),
        (("{file}", "--name", "x"), "only for standard input"),
        (("{file}", "--map", "user_id=x", "--format", "ndjson"), "only for CSV"),
        (("{file}", "--delimiter", "ab"), "one character"),
        (("{file}", "--wait", "-1"), "greater than or equal to 0"),
    ],
)
def test_a_wrong_command_line_is_refused(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    path = tmp_path / "events"
    path.write_text("")
    filled = [argument.format(file=path) for argument in arguments]
    ended = CliRunner().invoke(app, ["events", "import", *filled, "--tenant", "acme"], terminal_width=1_000)
    assert ended.exit_code == WRONG
    assert said in " ".join(ended.output.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == [path]
