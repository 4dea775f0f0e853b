"""Checks of what people send: each answers a message, or None when the value is fine."""

import re
from collections.abc import Collection, Sequence

from email_validator import EmailNotValidError, validate_email
from zxcvbn import zxcvbn

from services.kit.errors import Invalid
from services.kit.texts import CONTROL

SLUG = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")
ROLES = ("owner", "admin", "member", "viewer")
MAX_NAME = 200
MIN_PASSWORD, MAX_PASSWORD = 10, 256
# zxcvbn's estimate; the common lists and their simple variations lie below it.
FEWEST_GUESSES = 1_000_000
# zxcvbn's time grows with the square of the length; what is common shows early.
JUDGED_CHARACTERS = 64

REQUIRED = "This field is required."


def raise_wrong(**checks: str | Sequence[str] | None) -> None:
    """Raises Invalid with every check that answered a message, or several."""
    wrong = {name: [found] if isinstance(found, str) else found for name, found in checks.items() if found}
    if wrong:
        raise Invalid(wrong)


def check_email(value: str) -> str | None:
    if not value:
        return REQUIRED
    try:
        validate_email(value, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return "Enter a valid email address."
    return None


def domain_of(email: str) -> str:
    """The domain of a valid address, as all its spellings are written."""
    return validate_email(email, check_deliverability=False, globally_deliverable=False).domain


def postal(email: str) -> str:
    """A valid address as any mail server takes it, in ASCII; as it is when what stands before the @ is none."""
    valid = validate_email(email, check_deliverability=False, globally_deliverable=False)
    return valid.ascii_email or valid.normalized


def check_password(value: str) -> str | None:
    if not value:
        return REQUIRED
    if len(value) < MIN_PASSWORD:
        return f"Use {MIN_PASSWORD} characters or more."
    if len(value) > MAX_PASSWORD:
        return f"Use {MAX_PASSWORD} characters or fewer."
    if zxcvbn(value[:JUDGED_CHARACTERS])["guesses"] < FEWEST_GUESSES:
        return "This password is too common."
    return None


def check_name(value: str) -> str | None:
    if not value.strip():
        return REQUIRED
    if len(value) > MAX_NAME:
        return f"Use {MAX_NAME} characters or fewer."
    if CONTROL.search(value):
        return "Control characters are not allowed."
    return None


def check_slug(value: str) -> str | None:
    if not value:
        return REQUIRED
    if not SLUG.fullmatch(value):
        return "Use 3 to 40 lower-case letters, digits and hyphens, starting with a letter, not ending with a hyphen."
    return None


def check_choice(value: str, choices: Collection[str]) -> str | None:
    if value not in choices:
        return f"'{value[:40]}' is not one of {', '.join(choices)}."
    return None
