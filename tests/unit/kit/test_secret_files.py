"""Settings come from files of the secrets directory too, and secrets stay out of what others see."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.connectors.settings import ConnectorsSettings
from services.kit.settings import Settings


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The secrets directory."""
    monkeypatch.setenv("SEGOPS_SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_a_file_called_like_the_variable_is_the_setting(directory: Path) -> None:
    (directory / "segops_smtp_url").write_text("smtps://user:word@mail.example.com\n")
    settings = Settings()
    assert settings.smtp_url.get_secret_value() == "smtps://user:word@mail.example.com"
    assert settings.secrets_dir == directory


def test_a_variable_counts_before_the_file_unless_it_is_empty(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "segops_public_url").write_text("https://file.example.com")
    monkeypatch.setenv("SEGOPS_PUBLIC_URL", "")
    assert Settings().public_url == "https://file.example.com"
    monkeypatch.setenv("SEGOPS_PUBLIC_URL", "https://variable.example.com")
    assert Settings().public_url == "https://variable.example.com"


def test_a_password_gets_into_its_url_and_out_again_as_it_was(directory: Path) -> None:
    (directory / "segops_database_password").write_text("p@ss/w:rd?#")
    settings = Settings(database_url="postgresql://segops@db.example.com:5432/segops?sslmode=require")
    assert settings.libpq_dsn == "postgresql://segops:p%40ss%2Fw%3Ard%3F%23@db.example.com:5432/segops?sslmode=require"


def test_a_password_without_a_user_is_the_servers(directory: Path) -> None:
    (directory / "segops_ratelimit_password").write_text("word")
    assert Settings(ratelimit_url="redis://valkey:6379/0").ratelimit_dsn == "redis://:word@valkey:6379/0"


def test_a_url_that_has_a_password_keeps_it(directory: Path) -> None:
    (directory / "segops_warehouse_password").write_text("other")
    url = "clickhouse://segops:own@clickhouse:8123/segops"
    assert Settings(warehouse_url=url).warehouse_dsn == url


def test_what_is_wrong_is_not_repeated_in_the_error(directory: Path) -> None:
    (directory / "segops_connectors_keys").write_text("not-a-key-but-secret")
    with pytest.raises(ValidationError) as refused:
        ConnectorsSettings()
    assert "not-a-key-but-secret" not in str(refused.value)


def test_settings_do_not_show_their_secrets(directory: Path) -> None:
    for name in ("database", "warehouse", "ratelimit"):
        (directory / f"segops_{name}_password").write_text("hidden-word")
    assert "hidden-word" not in repr(Settings())
