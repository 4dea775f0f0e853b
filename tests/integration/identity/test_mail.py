"""Invitations by mail, through a server that is there, away, or refuses."""

import asyncio
import datetime as dt
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from services.identity.mail import Mailer, read_server
from services.kit.settings import Settings
from tests.integration.identity.calling import calling, running
from tests.running import WAIT_SECONDS, free_port_pair

SECRET = "mail secret"
HOST = "localhost"


class Inbox:
    """What a mail server took. `refusal` is what it says instead."""

    def __init__(self, refusal: str = "") -> None:
        self.refusal = refusal
        self.messages: list[EmailMessage] = []
        self.tries = 0

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        self.tries += 1
        if self.refusal:
            return self.refusal
        content = envelope.original_content or b""
        self.messages.append(message_from_bytes(content, policy=policy.default))
        return "250 taken"


@contextmanager
def serving(inbox: Inbox, port: int, **options: Any) -> Iterator[None]:
    controller = Controller(inbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for this host, which this process trusts."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
    )
    file = tmp_path / "certificate.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file.write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


def letter() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "Hello"
    message.set_content(f"The token is {SECRET}.")
    return message


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def mailer(url: str) -> Mailer:
    return Mailer(read_server(url).send, retry_seconds=(0.01, 0.01, 0.01))


def knows(server: object, session: object, envelope: object, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"us@er", SECRET.encode()), handled=False)


async def test_an_invitation_is_mailed_and_its_token_is_in_no_log(settings: Settings) -> None:
    port, inbox = free_port_pair(), Inbox()
    variables = {
        "SEGOPS_SMTP_URL": f"smtp://127.0.0.1:{port}",
        "SEGOPS_MAIL_FROM": "SegOps <segops@example.com>",
        "SEGOPS_PUBLIC_URL": "https://segops.example.com/",
    }
    with running(settings, "identity-mail", **variables) as (address, process):
        async with calling(settings, address) as identity:
            owner = await identity.register()
            # Nobody listens yet. The answer does not wait, and the mail comes when the server does.
            created = await owner.invite("bob@bücher.example")
            about = f"invitation {created.id}"
            await until(lambda: any("is sent again" in line and about in line for line in process.said().splitlines()))
            with serving(inbox, port):
                await until(lambda: inbox.messages)
        said = process.said()
    (message,) = inbox.messages
    assert message["From"] == "SegOps <segops@example.com>"
    assert message["To"] == "bob@xn--bcher-kva.example"
    assert message["Subject"] == f"Invitation to {owner.slug}"
    text = message.get_content()
    assert "https://segops.example.com/api/team/invitations/accept/" in text
    assert created.token in text
    assert created.token not in said


async def test_the_password_goes_over_tls(certified: ssl.SSLContext) -> None:
    port, inbox = free_port_pair(), Inbox()
    with serving(inbox, port, tls_context=certified, require_starttls=True, authenticator=knows, auth_required=True):
        mailer(f"smtp+starttls://us%40er:mail%20secret@{HOST}:{port}").post(letter(), about="letter 1")
        await until(lambda: inbox.messages)


async def test_nothing_is_said_to_a_server_whose_certificate_is_not_trusted(
    certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    port, inbox = free_port_pair(), Inbox()
    with serving(inbox, port, tls_context=certified, require_starttls=True):
        mailer(f"smtp+starttls://{HOST}:{port}").post(letter(), about="letter 2")
        await until(lambda: "a mail is not sent: SSLCertVerificationError" in caplog.text)
    assert inbox.tries == 0


async def test_a_wrong_password_is_reported_once_and_not_repeated(
    certified: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    port, inbox = free_port_pair(), Inbox()
    with serving(inbox, port, tls_context=certified, require_starttls=True, authenticator=knows, auth_required=True):
        mailer(f"smtp+starttls://us%40er:wrong-secret@{HOST}:{port}").post(letter(), about="letter 3")
        await until(lambda: "a mail is not sent: SMTPAuthenticationError 535" in caplog.text)
    assert "again" not in caplog.text
    assert "wrong-secret" not in caplog.text


@pytest.mark.parametrize(("refusal", "tries"), [("451 busy", 4), ("550 no", 1)])
async def test_a_server_is_asked_again_while_it_may_change_its_mind(
    refusal: str, tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    # Some repeat in their answer what they refuse.
    port, inbox = free_port_pair(), Inbox(f"{refusal}: The token is {SECRET}.")
    with serving(inbox, port):
        mailer(f"smtp://127.0.0.1:{port}").post(letter(), about="letter 4")
        await until(lambda: "a mail is not sent: SMTPDataError" in caplog.text)
    assert inbox.tries == tries
    assert SECRET not in caplog.text


async def test_a_server_that_does_not_take_the_letters_of_an_address_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    port, inbox = free_port_pair(), Inbox()
    message = letter()
    message.replace_header("To", "bücher@example.com")
    with serving(inbox, port, enable_SMTPUTF8=False):
        mailer(f"smtp://127.0.0.1:{port}").post(message, about="letter 5")
        await until(lambda: "a mail is not sent: SMTPNotSupportedError" in caplog.text)


@pytest.mark.parametrize(
    "url", ["http://example.com", "smtp://", "smtp://user:mail-secret@example.com", "smtp+starttls://:25"]
)
def test_a_url_that_will_not_do_is_refused_at_the_start_without_being_shown(url: str) -> None:
    with pytest.raises(ValueError, match="SEGOPS_SMTP_URL") as failure:
        read_server(url)
    assert "mail-secret" not in str(failure.value)
