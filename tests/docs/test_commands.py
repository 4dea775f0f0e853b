"""Every command in the documents works: fenced `sh` and `python` blocks are run, in their order, on a real platform."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks, documents
from tests.docs.given import Given, given
from tests.e2e.account import Account
from tests.running import Running, environment

RUN = [path for path in documents() if any(block.language in ("sh", "python") for block in blocks(path))]
SECONDS = 120
# An answer that is a failure fails the block; what a command prints is for people.
PRELUDE = """
set -euo pipefail
curl() { command curl --fail-with-body --show-error "$@"; }
json() { python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }
"""
TOOLS = Path(__file__).parent / "tools"


def script(path: Path, given: Given) -> str:
    """One shell script of all blocks of a document, each with a mark in the output before it."""
    parts = [PRELUDE, given.before]
    for block in blocks(path):
        if block.language in ("sh", "python"):
            parts += [f"echo '### {path.name}:{block.line}' >&2", command(block, given)]
    return "\n".join(parts)


def command(block: Block, given: Given) -> str:
    text = block.text
    for written, real in given.instead.items():
        text = text.replace(written, real)
    return text if block.language == "sh" else f"python3 - <<'PYTHON'\n{given.python}\n{text}\nPYTHON"


def named_files(path: Path) -> Mapping[str, bytes]:
    """The blocks that begin with the name of a file in a comment, as those files."""
    named = ((re.match(r"# (\S+\.\w+)\n", block.text), block) for block in blocks(path))
    return {found[1]: block.text.encode() for found, block in named if found}


def variables(platform: Running, owner: Account, url: str) -> Mapping[str, str]:
    """Ours come first on the path: `python3` with what the project installs, and tools in place of some (see there)."""
    path = os.pathsep.join([str(TOOLS), str(Path(sys.executable).parent), os.environ["PATH"]])
    return environment(platform.settings) | {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "REPOSITORY": str(ROOT),
        "URL": url,
        "KEY": owner.key,
        "TOKEN": owner.access,
    }


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_block_of_a_document_runs(
    path: Path, platform: Running, owner: Account, url: str, tmp_path: Path
) -> None:
    known = given(path, owner, url)
    for name, content in {**known.files, **named_files(path)}.items():
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        ["bash", "-c", script(path, known)],
        cwd=tmp_path,
        env=dict(variables(platform, owner, url)),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    reached = re.findall(r"^### (.*)$", done.stderr, re.MULTILINE)
    assert done.returncode == 0, f"{reached[-1]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_there_are_blocks_to_run() -> None:
    assert {"README.md", "quickstart.md", "api.md"} <= {path.name for path in RUN}
    assert shutil.which("curl"), "the documents' examples need curl"
