"""Request bodies: any JSON text becomes compact UTF-8 JSON whose numbers, key order and escapes are as sent."""

import re
import secrets

import msgspec

from services.kit.errors import Invalid

JSON_MEDIA_TYPE = "application/json"

# Stands in for an escaped surrogate without its partner, which is grammatical JSON but no text; a new one each start,
# so that nobody can send it.
LONE_SURROGATE = b"lone-surrogate-" + secrets.token_hex(16).encode()

# Escapes from the left, so that an escaped backslash before "ud800" is not taken for a surrogate.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


def compact(body: bytes) -> bytes:
    """The body without white space between tokens, with LONE_SURROGATE for each escaped surrogate without partner.

    The grammar, the encoding and the pairs of surrogates are checked, the range of numbers is not. Raises Invalid.
    """
    try:
        if not body.isascii():
            body.decode()
        try:
            return msgspec.json.format(body, indent=-1)
        except msgspec.DecodeError:
            return msgspec.json.format(_ESCAPE.sub(_marked, body), indent=-1)
    except UnicodeDecodeError as error:
        raise Invalid(detail=f"The body is not UTF-8 (byte {error.start}).") from error
    except msgspec.DecodeError as error:
        raise Invalid(detail=f"Malformed JSON: {_reason(error)}.") from error
    except RecursionError as error:
        raise Invalid(detail="The body is nested too deeply.") from error


def require_json(content_type: str) -> None:
    """Raises Invalid unless the media type is JSON or was not sent."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in ("", JSON_MEDIA_TYPE):
        raise Invalid(detail="The body must be JSON.")


def _marked(escape: re.Match[bytes]) -> bytes:
    return LONE_SURROGATE if escape[1] else escape[0]


def _reason(error: msgspec.DecodeError) -> str:
    return str(error).removeprefix("JSON is malformed: ")
