"""All phases of Schemathesis with all its checks: `make fuzz`, with options of its command line in `OPTIONS`."""

import os
import shlex
from pathlib import Path

from tests.fuzz.run import run, run_as_peers

OPTIONS = shlex.split(os.environ.get("FUZZ_OPTIONS", ""))


def test_the_api_does_what_its_document_says(url: str, tmp_path: Path) -> None:
    run(url, tmp_path, *OPTIONS)


def test_no_tenant_reads_what_another_has(url: str, tmp_path: Path) -> None:
    run_as_peers(url, tmp_path, *OPTIONS)
