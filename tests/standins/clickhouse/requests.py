"""A request as the HTTP interface of ClickHouse takes it."""

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl, urlsplit

import lz4.frame  # type: ignore[import-untyped]

# What the HTTP interface takes for itself; everything else in the URL is a setting.
TRANSPORT = frozenset(
    (
        *("query", "database", "session_id", "session_timeout", "session_check", "query_id", "quota_key", "role"),
        *("compress", "decompress", "wait_end_of_query", "buffer_size", "client_protocol_version"),
        *("enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms"),
        "cancel_http_readonly_queries_on_client_close",
    )
)
PARAMETER = "param_"
INSERT = re.compile(
    rb"\s*INSERT\s+INTO\s+(?P<table>\S+)\s*(?P<columns>\([^)]*\))?\s*FORMAT\s+(?P<format>\w+)\n?", re.IGNORECASE
)
FORMAT = re.compile(r"\s*\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Insert:
    """Rows in a format for a table, or some of its columns."""

    table: str
    columns: str
    format: str
    rows: bytes


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: a statement with the format of its answer, or an insert."""

    sql: str
    format: str
    insert: Insert | None
    database: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    wants_compression: bool
    waits: bool


def read(path: str, headers: Message, body: bytes) -> Request:
    """The request of an HTTP message."""
    url = dict(parse_qsl(urlsplit(path).query, keep_blank_values=True))
    kind, encoding = headers.get("Content-Type", ""), headers.get("Content-Encoding", "")
    if encoding:
        body = {"lz4": lz4.frame.decompress, "gzip": gzip.decompress}[encoding](body)
    if kind.startswith("multipart/form-data"):
        form = _form(kind, body)
        body = form.pop("query", b"")
        url |= {name: value.decode() for name, value in form.items()}
    text = url.get("query", "").encode()
    text = text + b"\n" + body if text else body
    insert, sql, answer = None, "", "TabSeparated"
    if found := INSERT.match(text):
        parts = found.groupdict(b"")
        rows = text[found.end() :]
        insert = Insert(
            table=parts["table"].decode().strip("`"),
            columns=parts["columns"].decode(),
            format=parts["format"].decode(),
            rows=rows,
        )
    else:
        sql = text.decode()
        if named := FORMAT.search(sql):
            sql, answer = sql[: named.start()], named[1]
    return Request(
        sql=sql,
        format=answer,
        insert=insert,
        database=url.get("database", "default"),
        settings={name: value for name, value in url.items() if not _is_transport(name)},
        parameters={name.removeprefix(PARAMETER): value for name, value in url.items() if name.startswith(PARAMETER)},
        wants_compression=url.get("enable_http_compression") == "1" and "lz4" in headers.get("Accept-Encoding", ""),
        waits=url.get("wait_end_of_query") == "1",
    )


def _is_transport(name: str) -> bool:
    return name in TRANSPORT or name.startswith(PARAMETER)


def _form(kind: str, body: bytes) -> dict[str, bytes]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    return {str(part.get_param("name", header="content-disposition")): _payload(part) for part in message.iter_parts()}


def _payload(part: object) -> bytes:
    payload = part.get_payload(decode=True)  # type: ignore[attr-defined]
    assert isinstance(payload, bytes)
    return payload
