"""Keys and secrets: made once where nobody set them, kept in the secrets directory, readable by their owner only."""

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.kit.settings import Settings

# Signs identities between processes; the edge and the identity service hold the private half.
INTERNAL_KEY, INTERNAL_PUBLIC_KEY = "internal_key.pem", "internal_key.pub.pem"
# Signed tokens before such keys were kept in the database, which takes it over.
ACCESS_KEY = "access_key.pem"
# Lets a process ask the identity service for an identity; also keys the cursors, and the names of requests.
SERVICE_SECRET = "service_secret"
NATS_TOKEN = "nats_token"
# Keys the pseudonyms of erased users, by which their late events are known: with another key those are taken again.
ERASURE_KEY = "erasure_key"
# Encrypts the secrets of connectors and webhooks where no setting names another key.
CONNECTORS_KEY = "connectors_key"
# The same for the secrets of shops.
INGESTION_KEY = "ingestion_key"
# The same for what verifies signed user ids, and for the keys that sign tokens.
IDENTITY_KEY = "identity_key"


def ensure_secrets(settings: Settings) -> None:
    """Makes every key and secret that does not exist yet. Call it before any process that reads them starts."""
    settings.secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (SERVICE_SECRET, NATS_TOKEN, ERASURE_KEY):
        write_once(settings.secrets_dir / name, secrets.token_urlsafe(32).encode())
    for name in (CONNECTORS_KEY, INGESTION_KEY, IDENTITY_KEY):
        write_once(settings.secrets_dir / name, Fernet.generate_key())
    write_once(settings.secrets_dir / INTERNAL_KEY, _private_pem(Ed25519PrivateKey.generate()))
    public = private_key(settings, INTERNAL_KEY).public_key()
    write_once(
        settings.secrets_dir / INTERNAL_PUBLIC_KEY,
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    )


def secret(settings: Settings, name: str) -> str:
    """The text secret called `name`."""
    return (settings.secrets_dir / name).read_text().strip()


def private_key(settings: Settings, name: str) -> Ed25519PrivateKey:
    """The Ed25519 private key called `name`."""
    key = serialization.load_pem_private_key((settings.secrets_dir / name).read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{name} is not an Ed25519 key")
    return key


def internal_public_key(settings: Settings) -> Ed25519PublicKey:
    """The key that verifies identities between processes."""
    key = serialization.load_pem_public_key((settings.secrets_dir / INTERNAL_PUBLIC_KEY).read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{INTERNAL_PUBLIC_KEY} is not an Ed25519 key")
    return key


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_once(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, never over an existing one."""
    if path.exists():
        return
    draft = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
