"""Reading one JSON object key by key, noting what is wrong under its path."""

from collections.abc import Callable
from typing import TypeVar, cast

from services.definition.problems import Wrong, shown

T = TypeVar("T")

# A hostile object may have millions of unknown keys; the first ones tell the story.
NAMED_UNKNOWN_KEYS = 20


class Fields:
    """The keys of one object.

    A key that is missing or wrong is noted in `errors` and read as None. What is built from it is never seen, because
    `parse` raises when there is any error: so most readers build without checking.
    """

    def __init__(self, raw: dict[str, object], path: str, errors: list[str]) -> None:
        self.path = path
        self._left = dict(raw)
        self._errors = errors

    def gives(self, key: str) -> bool:
        """Whether a key is there and not null."""
        return self._left.get(key) is not None

    def note(self, place: str, text: str) -> None:
        """Add an error at `place`, a path below this object; the object itself when empty."""
        path = ".".join(part for part in (self.path, place) if part)
        self._errors.append(f"{path}: {text}" if path else text)

    def tried(self, key: str, read: Callable[[object], T]) -> T | None:
        """The value of a key that must be there, as `read` returns it; None once an error is noted."""
        if key not in self._left:
            self.note(key, "this key is required")
            return None
        try:
            return read(self._left.pop(key))
        except Wrong as failure:
            for place, text in failure.problems:
                self.note(f"{key}{place}", text)
            return None

    def required(self, key: str, read: Callable[[object], T]) -> T:
        """The same for a reader that builds without looking at the value."""
        return cast("T", self.tried(key, read))

    def optional(self, key: str, read: Callable[[object], T]) -> T | None:
        """The same for a key that may be absent or null: None then."""
        if self.gives(key):
            return self.tried(key, read)
        self.skip(key)
        return None

    def skip(self, *keys: str) -> None:
        """Leave keys unread that cannot be judged, because something they depend on is wrong."""
        for key in keys:
            self._left.pop(key, None)

    def close(self) -> None:
        """Note every key that nobody read."""
        unknown = [str(key) for key in self._left]
        for key in unknown[:NAMED_UNKNOWN_KEYS]:
            self.note(key if key.isidentifier() and len(key) < 100 else shown(key), "unknown key")
        if len(unknown) > NAMED_UNKNOWN_KEYS:
            self.note("", f"{len(unknown) - NAMED_UNKNOWN_KEYS:,} more unknown keys")
