"""Lines of a content, each with its number, and how far they go."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BufferedReader

import msgspec

from services.kit.errors import Conflict

MAX_LINE_BYTES = 1024 * 1024
TOO_LONG = f"Use {MAX_LINE_BYTES} bytes a line or fewer."
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Changed(Conflict):
    """The part that was imported already has changed."""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """An end of a line: its number, the bytes of content up to there, and the SHA-256 of those."""

    line: int = 0
    offset: int = 0
    digest: str = sha256().hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line with its end; its beginning only, and not `whole`, when it is too long."""

    number: int
    text: bytes
    whole: bool = True


class Lines:
    """Reads a content once, line by line, in constant memory. Iterating again goes on."""

    def __init__(self, content: BufferedReader) -> None:
        self._content = content
        self._number = 0
        self._offset = 0
        self._digest = sha256()

    @property
    def position(self) -> Position:
        """Behind the last line taken."""
        return Position(line=self._number, offset=self._offset, digest=self._digest.hexdigest())

    def skip_to(self, position: Position) -> None:
        """Passes over what lies before a position. Raises Changed when that is not what it was."""
        while self._offset < position.offset:
            part = self._content.read(min(MAX_LINE_BYTES, position.offset - self._offset))
            if not part:
                break
            self._count(part)
        self._number = position.line
        if self.position != position:
            raise Changed

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        text = rest = self._read()
        if not text:
            raise StopIteration
        self._number += 1
        while _is_cut(rest):
            rest = self._read()
        whole = rest is text
        if self._number == 1:
            text = text.removeprefix(BYTE_ORDER_MARK)
        return Line(number=self._number, text=text, whole=whole)

    def _read(self) -> bytes:
        text = self._content.readline(MAX_LINE_BYTES + 1)
        self._count(text)
        return text

    def _count(self, part: bytes) -> None:
        self._offset += len(part)
        self._digest.update(part)


def _is_cut(text: bytes) -> bool:
    return len(text) > MAX_LINE_BYTES and not text.endswith(b"\n")
