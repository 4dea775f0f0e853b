"""Mail through the operator's server. It is sent beside the answer, which neither waits for it nor fails with it."""

import asyncio
import logging
import smtplib
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial
from urllib.parse import unquote, urlsplit

log = logging.getLogger("mail")

# Each with the port it has when the URL names none.
PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
CALL_SECONDS = 10.0
# The last one goes a few minutes after the first, by when a server that restarts is back.
RETRY_SECONDS = (2.0, 10.0, 60.0, 180.0)
THREADS = 2
# Each of some kB.
MOST_WAITING = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class MailServer:
    """Where mail goes, and as whom. Without a user nobody signs in."""

    scheme: str
    host: str
    port: int
    user: str
    password: str

    def send(self, message: EmailMessage) -> None:
        """Hands one message over. Raises OSError, of which smtplib's failures are."""
        with self._connected() as server:
            if self.scheme == "smtp+starttls":
                server.starttls(context=ssl.create_default_context())
            if self.user:
                server.login(self.user, self.password)
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        if self.scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=CALL_SECONDS, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=CALL_SECONDS)


def read_server(url: str) -> MailServer:
    """The server at `smtp://`, `smtp+starttls://` or `smtps://user:password@host:port`. Raises ValueError.

    The error does not say what the URL is: it has a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"SEGOPS_SMTP_URL must be one of {', '.join(PORTS)}, then :// and a host")
    if parts.username and parts.scheme == "smtp":
        raise ValueError("SEGOPS_SMTP_URL has a password, which is sent with smtp+starttls:// or smtps:// only")
    return MailServer(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


class Mailer:
    """Sends in the background, and again when the server is away. What waits is lost when the process ends."""

    def __init__(self, send: Callable[[EmailMessage], None], *, retry_seconds: Sequence[float] = RETRY_SECONDS) -> None:
        self._send = send
        self._retry_seconds = retry_seconds
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mail")
        self._waiting: set[asyncio.Task[None]] = set()

    def post(self, message: EmailMessage, *, about: str) -> None:
        """Sends a message soon. The log knows it by `about`, which holds no secret."""
        if len(self._waiting) >= MOST_WAITING:
            log.error("too many mails wait; one is not sent", extra={"about": about})
            return
        task = asyncio.create_task(self._deliver(message, about))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _deliver(self, message: EmailMessage, about: str) -> None:
        for seconds in (*self._retry_seconds, None):
            try:
                await asyncio.get_running_loop().run_in_executor(self._threads, partial(self._send, message))
            except (OSError, ValueError) as error:
                if seconds is None or _is_final(error):
                    log.error("a mail is not sent: %s", _reason(error), extra={"about": about})
                    return
                log.warning("a mail is sent again in %s s: %s", seconds, _reason(error), extra={"about": about})
                await asyncio.sleep(seconds)
            else:
                log.info("a mail is sent", extra={"about": about})
                return


def _is_final(error: Exception) -> bool:
    """Whether the server, or the message, will say the same again (RFC 5321, 4.2.1)."""
    codes = _codes(error)
    return isinstance(error, smtplib.SMTPNotSupportedError | ValueError) or (bool(codes) and min(codes) >= 500)


def _codes(error: Exception) -> list[int]:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    return [error.smtp_code] if isinstance(error, smtplib.SMTPResponseException) else []


def _reason(error: Exception) -> str:
    """What went wrong in words that hold nothing of the message: a server may repeat it in its answer."""
    return " ".join([type(error).__name__, *map(str, _codes(error))])
