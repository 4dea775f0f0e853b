"""docs/configuration.md says what the settings classes say, and every variable that is named anywhere is in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from cli.configuration import CLASSES, all_settings, classes, known_names, reference
from services.kit.secret_files import FileSettings
from services.kit.vault import KeySettings

ROOT = Path(__file__).parents[3]
# Where an operator, or a process, may meet the name of a variable.
SOURCES = ("services", "edge", "cli", "deploy", "docs", "tests")
FILES = ("docker-compose.yml", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "Makefile", "envoy.yaml")
KINDS = {".py", ".md", ".yml", ".yaml", ".sh", ".conf", ".txt", ".tpl", ".json", ""}
VARIABLE = re.compile(r"\bSEGOPS_[A-Z0-9_]*[A-Z0-9]\b(?![*_])")
# Of the programs that send events: no process of ours reads them.
OF_CLIENTS = {"SEGOPS_API_KEY", "SEGOPS_API_URL"}


def texts() -> Iterator[tuple[Path, str]]:
    for path in [*(ROOT / name for name in FILES), *(path for top in SOURCES for path in (ROOT / top).rglob("*"))]:
        ours = "gen" not in path.parts and path.name not in (Path(__file__).name, "test_doctor.py")
        if path.is_file() and path.suffix in KINDS and ours:
            yield path, path.read_text(errors="replace")


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == reference(), "run `make docs`"


def test_every_variable_that_is_named_anywhere_is_in_it() -> None:
    known = known_names() | OF_CLIENTS
    named = {(name, str(path.relative_to(ROOT))) for path, text in texts() for name in VARIABLE.findall(text)}
    assert len(named) > len(all_settings())
    assert sorted((name, path) for name, path in named if name not in known) == []


def test_every_settings_class_is_in_it() -> None:
    bases = {cls.__name__ for cls in (BaseSettings, FileSettings, KeySettings)}
    declared = set()
    for top in ("services", "edge", "deploy"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.parse(path.read_text()).body if "gen" not in path.parts else ():
                if isinstance(node, ast.ClassDef) and bases & {ast.unparse(base) for base in node.bases}:
                    declared.add(".".join([*path.relative_to(ROOT).with_suffix("").parts, node.name]))
    assert declared == {*CLASSES, "services.kit.secret_files.FileSettings", "services.kit.vault.KeySettings"}


@pytest.mark.parametrize("cls", [cls for cls, _ in classes()], ids=lambda cls: cls.__name__)
def test_every_setting_says_what_it_does(cls: type[BaseSettings]) -> None:
    assert [name for name, field in cls.model_fields.items() if not (field.description or "").endswith(".")] == []


def test_secrets_are_told_apart() -> None:
    secrets = {setting.name for setting in all_settings() if setting.is_secret}
    assert {"SEGOPS_SMTP_URL", "SEGOPS_IDENTITY_KEYS", "SEGOPS_DATABASE_PASSWORD"} <= secrets
    assert "SEGOPS_LOG_LEVEL" not in secrets
