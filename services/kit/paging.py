"""Pages of lists: `limit` and `offset`, or `page` and `page_size`, and links to the pages around."""

from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode

from services.kit.caller import current_request
from services.kit.errors import Invalid
from services.kit.urls import Url

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
MAX_OFFSET = 2**31 - 1


class PageRequest(Protocol):
    """A list request: every field optional, `HasField` tells which were sent."""

    limit: int
    offset: int
    page: int
    page_size: int

    def HasField(self, field_name: Any) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Which items: `limit` of them after the first `offset`."""

    limit: int
    offset: int
    numbered: bool = False

    def next_url(self, count: int) -> str | None:
        """Absolute URL of the page after this one of `count` items; None at the end or without a REST request."""
        after = self.offset + self.limit
        return self._url(after) if after < count else None

    def previous_url(self) -> str | None:
        """Absolute URL of the page before this one; None at the start or without a REST request."""
        return self._url(max(0, self.offset - self.limit)) if self.offset else None

    def _url(self, offset: int) -> str | None:
        url = current_request().url
        if not url:
            return None
        parts = Url.of(url)
        place = {"page": offset // self.limit + 1} if self.numbered else {"offset": offset}
        kept = [(key, value) for key, value in parse_qsl(parts.query) if key not in place]
        return f"{parts.origin}{parts.path}?{urlencode([*kept, *place.items()])}"


def page_of(request: PageRequest, *, errors: dict[str, list[str]] | None = None) -> Page:
    """The page a request asks for.

    Raises Invalid with every wrong field, and with the caller's own `errors` when it passes some.
    """
    wrong: dict[str, list[str]] = dict(errors or {})

    def number(name: str, default: int, low: int, high: int) -> int:
        if not request.HasField(name):
            return default
        value: int = getattr(request, name)
        if not low <= value <= high:
            wrong[name] = [f"{value} is not between {low} and {high}"]
            return default
        return value

    limit = number("limit", number("page_size", DEFAULT_LIMIT, 1, MAX_LIMIT), 1, MAX_LIMIT)
    page = number("page", 1, 1, MAX_OFFSET // MAX_LIMIT)
    offset = number("offset", (page - 1) * limit, 0, MAX_OFFSET)
    if wrong:
        raise Invalid(wrong)
    return Page(limit=limit, offset=offset, numbered=request.HasField("page"))
