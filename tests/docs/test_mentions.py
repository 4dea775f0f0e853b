"""What documents mention exists: links, their anchors, make's targets, commands with their options."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer

from cli.app import app
from tests.docs.blocks import FENCED, ROOT, documents

LINK = re.compile(r"\]\(([^)\s]+)\)")
INLINE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

DOCUMENTS = pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())


def prose(path: Path) -> str:
    return FENCED.sub("", path.read_text())


def anchors(path: Path) -> set[str]:
    """Of the headings, as they are made by whoever renders Markdown."""
    titles = (re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(prose(path)))
    return {title.replace(" ", "-") for title in titles}


@DOCUMENTS
def test_links_lead_to_files_and_headings_that_exist(path: Path) -> None:
    for link in LINK.findall(prose(path)):
        if link.startswith(("https:", "http:", "mailto:")):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


@DOCUMENTS
def test_commands_of_segopsctl_and_their_options_exist(path: Path) -> None:
    for code in INLINE.findall(prose(path)):
        words = code.split()
        if words and words[0] in ("segopsctl", ".venv/bin/segopsctl") and len(words) > 1:
            for names in alternatives(words[1:]):
                check(names, code)


def alternatives(words: list[str]) -> list[list[str]]:
    """`tenants create|list` is two commands."""
    return [[words[0], choice, *words[2:]] for choice in words[1].split("|")] if len(words) > 1 else [words]


def check(words: list[str], code: str) -> None:
    command: Any = typer.main.get_command(app)
    while commands := getattr(command, "commands", None):
        assert words, f"`{code}` is half a command"
        assert words[0] in commands, f"`{code}`: there is no {words[0]}"
        command, words = commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options = {word.partition("=")[0] for word in shlex.split(" ".join(words)) if word.startswith("--")}
    assert options <= known, f"`{code}`: there is no {', '.join(options - known)}"


@DOCUMENTS
def test_targets_of_make_exist(path: Path) -> None:
    targets = {code.split()[1] for code in INLINE.findall(prose(path)) if re.fullmatch(r"make [a-z-]+", code)}
    if targets:
        subprocess.run(["make", "--dry-run", *sorted(targets)], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
