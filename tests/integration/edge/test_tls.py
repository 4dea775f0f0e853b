"""With a certificate the edge speaks TLS 1.2 and 1.3, and nothing else."""

import datetime as dt
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from services.kit.settings import Settings
from tests.integration.edge.recording import recording, seen
from tests.running import Running, wait_for

NAME = "localhost"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a certificate of its own signing, and its key."""
    home, key = tmp_path_factory.mktemp("pem"), ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]), dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, SHA256())
    )
    (home / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (home / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return home


@pytest.fixture(scope="module")
def edge(pem: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An Envoy with that certificate, before services that tell what came."""
    variables = {
        "SEGOPS_EDGE_TLS_CERTIFICATE": str(pem / "certificate.pem"),
        "SEGOPS_EDGE_TLS_KEY": str(pem / "key.pem"),
    }
    running = Running(tmp_path_factory.mktemp("edge") / "data", "envoy", variables=variables)
    try:
        wait_for(lambda: listens(running))
        with recording(running.settings):
            yield running
    finally:
        running.stop()


def listens(edge: Running) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", edge.settings.edge_port)) == 0


def url(edge: Running, scheme: str) -> str:
    return f"{scheme}://{NAME}:{edge.settings.edge_port}/api/segments/"


@pytest.mark.parametrize(("http2", "version"), [(False, "HTTP/1.1"), (True, "HTTP/2")])
def test_both_protocols_are_spoken_and_links_say_https(edge: Running, pem: Path, http2: bool, version: str) -> None:
    trusted = ssl.create_default_context(cafile=str(pem / "certificate.pem"))
    with httpx.Client(verify=trusted, http2=http2) as client:
        answer = client.get(url(edge, "https"))
    assert (answer.status_code, answer.http_version) == (200, version)
    assert seen(answer.content).url == url(edge, "https")


def test_without_tls_nothing_is_answered(edge: Running) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(url(edge, "http"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "spoken"), [("TLSv1", False), ("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)]
)
def test_versions_that_are_broken_are_not_spoken(edge: Running, version: str, spoken: bool) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # OpenSSL itself refuses the old ones at its default level.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with socket.create_connection(("127.0.0.1", edge.settings.edge_port), 10) as plain:
        try:
            with context.wrap_socket(plain) as wire:
                assert wire.version() is not None
        except ssl.SSLError:
            assert not spoken
        else:
            assert spoken


def test_who_does_not_finish_its_greeting_holds_nobody_up(edge: Running, pem: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(pem / "certificate.pem"))
    with socket.create_connection(("127.0.0.1", edge.settings.edge_port), 10) as silent:
        silent.sendall(b"\x16\x03\x01")
        started = time.monotonic()
        assert httpx.get(url(edge, "https"), verify=trusted).status_code == 200
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("alone", ["edge_tls_certificate", "edge_tls_key"])
def test_a_certificate_and_its_key_are_set_together(alone: str) -> None:
    with pytest.raises(ValueError, match="together"):
        Settings.model_validate({alone: "x.pem"})
