"""What segopsctl asks, without its second to start, and what only the identity service knows."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.platform import Admin
from services.gen.segops.identity.v1 import admin_pb2
from services.kit.keys import IDENTITY_KEY, SERVICE_SECRET, secret
from services.kit.vault import Vault
from tests.running import Running


@contextmanager
def operator(platform: Running) -> Iterator[Admin]:
    """The operator of a platform."""
    with grpc.insecure_channel(platform.settings.address("identity")) as channel:
        yield Admin(channel, secret(platform.settings, SERVICE_SECRET))


def rotate(platform: Running, *, now: bool = False) -> str:
    """Makes a new key that signs tokens, and answers its id."""
    with operator(platform) as admin:
        return str(admin.call(admin.stub.RotateSigningKey, admin_pb2.RotateSigningKeyRequest(now=now)).key_id)


def signing_key(platform: Running, key_id: str) -> Ed25519PrivateKey:
    """The key that signs tokens which name it."""
    with psycopg.connect(platform.settings.libpq_dsn) as connection:
        row = connection.execute("SELECT private_key FROM signing_keys WHERE id = %s", [key_id]).fetchone()
    assert row is not None
    return Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex(Vault([secret(platform.settings, IDENTITY_KEY)]).unseal(row[0]))
    )
