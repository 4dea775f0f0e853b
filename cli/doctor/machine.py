"""The data directory, its disk, keys and secrets, and the edge's certificate."""

import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization

from cli.doctor.finding import Finding, bad, doubtful, good
from services.kit.keys import (
    CONNECTORS_KEY,
    ERASURE_KEY,
    IDENTITY_KEY,
    INGESTION_KEY,
    INTERNAL_KEY,
    NATS_TOKEN,
    SERVICE_SECRET,
    internal_public_key,
    private_key,
)
from services.kit.settings import Settings

GIB = 1024**3
# Of a disk that is fuller something should be done; below the second the embedded event log refuses events.
SHARE_LEFT, LEAST_BYTES = 0.1, GIB // 4
FERNET_KEYS = (CONNECTORS_KEY, INGESTION_KEY, IDENTITY_KEY)
TEXTS = (SERVICE_SECRET, NATS_TOKEN, ERASURE_KEY)
EXPIRES_SOON = timedelta(days=14)


def check_directory(settings: Settings) -> Iterator[Finding]:
    """Can it be written, by us alone, and is there room?"""
    home = settings.home
    if not home.is_dir():
        yield bad("data directory", f"{home} is not there.", "Start the platform (`make up`), or set SEGOPS_DATA_DIR.")
        return
    try:
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        yield bad("data directory", f"{home}: {error.strerror}", "Let this user write it, and mount it read-write.")
    else:
        yield from _private(home)
    disk = shutil.disk_usage(home)
    seen = f"{disk.free / GIB:.1f} of {disk.total / GIB:.1f} GiB are free."
    advice = "Make room, or shorten what is kept: docs/operations.md, When a disk is full."
    if disk.free < LEAST_BYTES:
        yield bad("disk", seen, advice)
    elif disk.free < SHARE_LEFT * disk.total:
        yield doubtful("disk", seen, advice)
    else:
        yield good("disk", seen)


def check_secrets(settings: Settings) -> Iterator[Finding]:
    """Are all there, readable by us alone, and keys?"""
    if not settings.secrets_dir.is_dir():
        yield bad(
            "secrets",
            f"{settings.secrets_dir} is not there.",
            "They are made at the first start. If they were lost, put them back: docs/backup.md.",
        )
        return
    found = list(_wrong_secrets(settings))
    yield from found or [good("secrets", "All are there, for their owner only.")]


def check_certificate(settings: Settings) -> Iterator[Finding]:
    """Is it valid, for how long, and does its key belong to it?"""
    if settings.edge_tls_certificate is None or settings.edge_tls_key is None:
        return
    try:
        certificate = x509.load_pem_x509_certificate(settings.edge_tls_certificate.read_bytes())
        key = serialization.load_pem_private_key(settings.edge_tls_key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        seen = error.strerror if isinstance(error, OSError) else "it is no PEM file of a certificate and of its key"
        advice = "Correct SEGOPS_EDGE_TLS_CERTIFICATE and SEGOPS_EDGE_TLS_KEY, or the files' rights."
        yield bad("certificate", f"It cannot be read: {seen}.", advice)
        return
    if key.public_key() != certificate.public_key():
        yield bad("certificate", "The key is of another certificate.", "Set the key that belongs to it.")
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    seen = f"It is valid until {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC."
    if left < timedelta():
        yield bad("certificate", f"It has expired. {seen}", "Put a new one in its place and restart Envoy.")
    elif left < EXPIRES_SOON:
        yield doubtful("certificate", seen, "Renew it, and restart Envoy.")
    else:
        yield good("certificate", seen)


def _private(home: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & 0o022:
        yield doubtful("data directory", f"Others may write {home} (mode {mode:o}).", f"chmod go-w {home}")
    else:
        yield good("data directory", f"{home} can be written, by its owner only.")


def _wrong_secrets(settings: Settings) -> Iterator[Finding]:
    for name in (*FERNET_KEYS, *TEXTS, INTERNAL_KEY):
        path = settings.secrets_dir / name
        try:
            content = path.read_bytes().strip()
        except OSError as error:
            advice = "Put it back from a copy: with another one, what is stored under it is lost (docs/backup.md)."
            yield bad("secrets", f"{name}: {error.strerror}", advice)
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o007:
            yield bad("secrets", f"Everybody on this machine may read {name} (mode {mode:o}).", f"chmod 600 {path}")
        if not content or (name in FERNET_KEYS and not _is_fernet(content)):
            yield bad("secrets", f"{name} is no key.", "Put the right one back from a copy (docs/backup.md).")
    yield from _wrong_pair(settings)


def _wrong_pair(settings: Settings) -> Iterator[Finding]:
    try:
        if private_key(settings, INTERNAL_KEY).public_key() != internal_public_key(settings):
            raise ValueError
    except (OSError, ValueError):
        advice = "Stop all, remove both internal_key files, and start again: they are made anew."
        yield bad("secrets", "The two halves of internal_key do not belong together.", advice)


def _is_fernet(key: bytes) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True
