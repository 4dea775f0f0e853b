"""segopsctl doctor on a platform that is well, and on the same one with one thing after the other broken for real."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cli.doctor.app import examine
from cli.doctor.finding import Finding, State
from services.kit.keys import IDENTITY_KEY, NATS_TOKEN
from tests.e2e.account import Account
from tests.e2e.segopsctl import segopsctl
from tests.e2e.test_outages import find
from tests.running import Running, environment, free_port_pair, wait_for


@pytest.fixture(autouse=True)
def settings_of_the_platform(platform: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has those of the platform's processes."""
    for name in [name for name in os.environ if name.startswith("SEGOPS_")]:
        monkeypatch.delenv(name)
    for name, value in environment(platform.settings).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def secrets(platform: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the platform's secrets, which the doctor looks at."""
    copy = tmp_path / "secrets"
    shutil.copytree(platform.settings.secrets_dir, copy)
    monkeypatch.setenv("SEGOPS_SECRETS_DIR", str(copy))
    return copy


def sick() -> dict[str, Finding]:
    """What the doctor finds wrong, by check; no secret is in it."""
    return {finding.check: finding for finding in examine() if finding.state is not State.OK}


def test_a_platform_that_is_well_is_all_green(platform: Running) -> None:
    shown = segopsctl(platform, "doctor", "--json")
    found = json.loads(shown.stdout)
    assert [finding for finding in found if finding["state"] != "ok"] == []
    assert shown.returncode == 0
    checks = {finding["check"] for finding in found}
    assert checks == {
        *("settings", "data directory", "disk", "secrets", "PostgreSQL", "clock", "schema", "keys", "jobs"),
        *("event log", "stream", "identity", "ingestion", "warehouse", "segments", "connectors", "profiles"),
        *("loading", "edge"),
    }
    assert "Envoy 1." in next(finding["seen"] for finding in found if finding["check"] == "edge")


def test_the_table_says_what_to_do_and_the_exit_code_how_bad_it_is(
    platform: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGOPS_DATABSE_URL", "postgresql://x")
    shown = segopsctl(platform, "doctor")
    assert shown.returncode == 1
    assert "Nothing reads SEGOPS_DATABSE_URL." in shown.stdout
    assert "Did you mean SEGOPS_DATABASE_URL?" in shown.stdout


def test_a_value_that_is_refused_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_EDGE_PORT", "a-wrong-port")
    monkeypatch.setenv("SEGOPS_IDENTITY_KEYS", "a-wrong-key")
    [*findings] = [finding for finding in examine() if finding.check == "settings"]
    text = " ".join(finding.seen for finding in findings)
    assert {"SEGOPS_EDGE_PORT", "SEGOPS_IDENTITY_KEYS"} <= {finding.seen.split(":")[0] for finding in findings}
    assert "a-wrong" not in text


def test_stores_that_are_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_DATABASE_URL", "postgresql://segops:a-secret-word@127.0.0.1:1/segops")
    monkeypatch.setenv("SEGOPS_NATS_URL", "nats://127.0.0.1:1")
    monkeypatch.setenv("SEGOPS_RATELIMIT_URL", "redis://:a-secret-word@127.0.0.1:1/0")
    found = sick()
    assert {"PostgreSQL", "event log", "shared counts"} == set(found)
    assert "SEGOPS_DATABASE_URL" in found["PostgreSQL"].advice
    assert "SEGOPS_NATS_URL" in found["event log"].advice
    assert found["shared counts"].state is State.WARNING
    assert "a-secret-word" not in str(found)


def test_a_wrong_token_of_the_event_log(secrets: Path) -> None:
    (secrets / NATS_TOKEN).write_text("another-token-than-the-server-has")
    found = sick()
    assert set(found) == {"event log"}
    assert "nats_token" in found["event log"].advice
    assert "another-token" not in str(found)


def test_a_key_that_is_not_the_databases(secrets: Path, owner: Account) -> None:
    (secrets / IDENTITY_KEY).write_bytes(Fernet.generate_key())
    found = sick()
    assert set(found) == {"keys"}
    assert "SEGOPS_IDENTITY_KEYS" in found["keys"].advice


@pytest.mark.parametrize(("mode", "content", "said"), [(0o644, b"", "mode 644"), (0o600, b"x", "no key")])
def test_secrets_that_others_may_read_or_that_are_none(secrets: Path, mode: int, content: bytes, said: str) -> None:
    path = secrets / "connectors_key"
    path.write_bytes(content or path.read_bytes())
    path.chmod(mode)
    assert said in sick()["secrets"].seen


def test_secrets_that_are_gone(secrets: Path) -> None:
    (secrets / IDENTITY_KEY).unlink()
    assert "Put it back from a copy" in sick()["secrets"].advice


def test_a_directory_that_is_not_there_or_that_others_may_write(
    platform: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode = platform.settings.home.stat().st_mode
    platform.settings.home.chmod(0o777)
    try:
        assert "chmod go-w" in sick()["data directory"].advice
    finally:
        platform.settings.home.chmod(mode)
    monkeypatch.setenv("SEGOPS_DATA_DIR", str(tmp_path / "nowhere"))
    found = sick()
    assert "make up" in found["data directory"].advice
    assert {"secrets", "PostgreSQL", "event log", "identity", "loading"} <= set(found)


def test_a_directory_on_a_disk_that_is_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    # No file can be made there, by nobody.
    monkeypatch.setenv("SEGOPS_DATA_DIR", "/proc")
    assert "read-write" in sick()["data directory"].advice


def certificate(directory: Path, days: int) -> tuple[Path, Path]:
    """One of its own signing that ends in so many days, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    end = datetime.now(UTC) + timedelta(days=days, minutes=1)
    begin = end - timedelta(days=90)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begin, end)
    files = directory / f"{days}.pem", directory / f"{days}.key"
    files[0].write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return files


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expired, soon, fine = (certificate(tmp_path, days) for days in (-1, 7, 60))
    cases = [
        (expired[0], expired[1], State.FAILED, "has expired"),
        (soon[0], soon[1], State.WARNING, "until"),
        (fine[0], soon[1], State.FAILED, "of another certificate"),
        (fine[0], tmp_path / "nowhere", State.FAILED, "No such file"),
        (fine[1], fine[1], State.FAILED, "no PEM file"),
    ]
    for cert, key, state, said in cases:
        monkeypatch.setenv("SEGOPS_EDGE_TLS_CERTIFICATE", str(cert))
        monkeypatch.setenv("SEGOPS_EDGE_TLS_KEY", str(key))
        assert (sick()["certificate"].state, said in sick()["certificate"].seen) == (state, True), said


@pytest.fixture
def without_profiles(platform: Running) -> Iterator[None]:
    """The process of profiles does not go on for a while."""
    process = psutil.Process(find(platform, "services.profiles").pid)
    process.suspend()
    yield
    process.resume()
    wait_for(lambda: "profiles" not in sick())


def test_a_service_that_hangs(without_profiles: None) -> None:
    found = sick()
    assert "SEGOPS_PROFILES_ADDRESS" in found["profiles"].advice
    assert "Not ready: profiles" in found["edge"].seen
    assert set(found) == {"profiles", "edge"}


def test_an_edge_that_is_elsewhere(monkeypatch: pytest.MonkeyPatch, platform: Running) -> None:
    monkeypatch.setenv("SEGOPS_NATS_URL", platform.settings.nats_dsn)
    monkeypatch.setenv("SEGOPS_EDGE_PORT", str(free_port_pair()))
    found = sick()
    assert set(found) == {"edge"}
    assert "SEGOPS_EDGE_PORT" in found["edge"].advice
