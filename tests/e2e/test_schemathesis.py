"""Schemathesis in short; `make fuzz` runs all of it."""

from pathlib import Path

from tests.fuzz.run import run


def test_the_api_does_what_its_document_says(url: str, tmp_path: Path) -> None:
    run(url, tmp_path, "--phases", "examples,fuzzing", "--max-examples", "2")
