"""The document and the page that shows it, as files a browser may keep: made once, at the start of the process."""

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Protocol

from edge.openapi.document import build

PAGE = Path(__file__).with_name("page")
# Swagger UI is taken out of a package for Flask, which is not needed for that.
SWAGGER_UI = Path(str(distribution("flask-swagger-ui").locate_file("flask_swagger_ui/dist")))

DOCUMENT, ENTRANCE = "/api/schema", "/api/docs"
ASSETS = (
    PAGE / "start.js",
    SWAGGER_UI / "swagger-ui.css",
    SWAGGER_UI / "swagger-ui-bundle.js",
    SWAGGER_UI / "favicon-32x32.png",
)
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}
# The page loads its own files and calls this host; Swagger UI's style sheet holds its icons as data.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    # Kept, and asked for on each use: after an upgrade no file of the old version meets one of the new.
    ("cache-control", "no-cache"),
    ("vary", "accept-encoding"),
)


ACCEPTS_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")


class RequestHeaders(Protocol):
    """The request's headers, names in lower case."""

    def get(self, name: str, /) -> str | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Status, headers and body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file, plain and gzipped."""

    content_type: str
    plain: bytes
    gzipped: bytes
    tag: str

    def answer(self, headers: RequestHeaders) -> Answer:
        """The file as the client takes it; 304 when it has it already."""
        is_gzipped = ACCEPTS_GZIP.search(headers.get("accept-encoding") or "") is not None
        tag = f'"{self.tag}-gzip"' if is_gzipped else f'"{self.tag}"'
        said = [("etag", tag), *HEADERS]
        if tag in (headers.get("if-none-match") or ""):
            return Answer(status=304, headers=said)
        said.append(("content-type", self.content_type))
        if is_gzipped:
            said.append(("content-encoding", "gzip"))
        return Answer(status=200, headers=said, body=self.gzipped if is_gzipped else self.plain)


def files() -> Mapping[str, File]:
    """Every file by its path, without slash at the end."""
    document = json.dumps(build(), ensure_ascii=False, separators=(",", ":")).encode()
    assets = {f"{ENTRANCE}/{path.name}": _file(path.read_bytes(), TYPES[path.suffix]) for path in ASSETS}
    return {
        DOCUMENT: _file(document, "application/json"),
        ENTRANCE: _file((PAGE / "index.html").read_bytes(), TYPES[".html"]),
        **assets,
    }


def is_file(path: str) -> bool:
    """Whether a path without slash at the end is one that only these files can have."""
    return path in (DOCUMENT, ENTRANCE) or path.startswith(f"{ENTRANCE}/")


def _file(content: bytes, content_type: str) -> File:
    tag = hashlib.sha256(content).hexdigest()[:32]
    return File(content_type=content_type, plain=content, gzipped=gzip.compress(content, 6, mtime=0), tag=tag)
