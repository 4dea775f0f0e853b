"""What a webhook's fields may hold. Every wrong field is reported at once."""

from collections.abc import Callable, Mapping
from typing import Any

from services.connectors.fields import Fields
from services.definition.attributes import CONTROL, REQUIRED, description_errors, has_control

MAX_URL = 2_000
MAX_SECRET = 256

DEFAULTS: Mapping[str, object] = {"description": "", "is_active": True}


def field_errors(sent: Fields, url_errors: Callable[[str], list[str]]) -> dict[str, list[str]]:
    """What is wrong with the fields that were sent; `url_errors` judges a URL of the right length."""
    checks: Mapping[str, Callable[[Any], list[str]]] = {
        "url": lambda url: _url_errors(url) or url_errors(url),
        "secret": _secret_errors,
        "description": description_errors,
    }
    wrong = {name: check(sent[name]) for name, check in checks.items() if name in sent}
    return {name: messages for name, messages in wrong.items() if messages}


def _url_errors(url: str) -> list[str]:
    if not url:
        return [REQUIRED]
    return [f"Use {MAX_URL:,} characters or fewer."] if len(url) > MAX_URL else []


def _secret_errors(secret: str) -> list[str]:
    if len(secret) > MAX_SECRET:
        return [f"Use {MAX_SECRET} characters or fewer."]
    return [CONTROL] if has_control(secret) else []
