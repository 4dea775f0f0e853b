"""What a check found, and what to do about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from urllib.parse import unquote, urlsplit

from services.kit.settings import Settings

HIDDEN = "***"
# Shorter ones would hide half of every text.
SHORTEST_SECRET = 4


class State(IntEnum):
    """How it is; the worst one is the exit code."""

    OK = 0
    WARNING = 1
    FAILED = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A check with its state, what was seen, and what to do; nothing when all is well."""

    check: str
    state: State = State.OK
    seen: str
    advice: str = ""


def good(check: str, seen: str) -> Finding:
    """All is well."""
    return Finding(check=check, seen=seen)


def doubtful(check: str, seen: str, advice: str) -> Finding:
    """It works, and should be looked at."""
    return Finding(check=check, state=State.WARNING, seen=seen, advice=advice)


def bad(check: str, seen: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check=check, state=State.FAILED, seen=seen, advice=advice)


def without_secrets(findings: Iterable[Finding], settings: Settings) -> list[Finding]:
    """The findings with every password and secret hidden, should the words of some driver hold one."""
    secrets = _secrets(settings)
    return [
        replace(finding, seen=_hidden(finding.seen, secrets), advice=_hidden(finding.advice, secrets))
        for finding in findings
    ]


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _secrets(settings: Settings) -> list[str]:
    urls = [settings.libpq_dsn, settings.warehouse_dsn, settings.ratelimit_dsn, *settings.nats_servers]
    parts = [urlsplit(url) for url in [*urls, settings.smtp_url.get_secret_value()]]
    passwords = [word for part in parts for word in (part.password, unquote(part.password or "")) if word]
    files = settings.secrets_dir.iterdir() if settings.secrets_dir.is_dir() else ()
    contents = [path.read_text(errors="replace").strip() for path in files if path.is_file()]
    return [secret for secret in (*passwords, *contents) if len(secret) >= SHORTEST_SECRET]
