"""`python -m tests.standins.clickhouse DIRECTORY PORT`: serves until it is ended.

`POST /mischief?lose=TABLE` lets the next insert into a table be stored and its answer be lost; `unreachable=N` makes
the next insert fail when it comes to shard N; `break=ROWS` breaks the next streamed answer off in its midst.
"""

import argparse
import base64
import json
import secrets
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import lz4.frame  # type: ignore[import-untyped]

from tests.standins.clickhouse.cluster import Cluster
from tests.standins.clickhouse.engine import Engine, Refused
from tests.standins.clickhouse.requests import Request, read

AUTHENTICATION_FAILED = (
    "Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no user with such "
    "name. (AUTHENTICATION_FAILED) (version 26.9.2.1)"
)
FORBIDDEN, NOT_FOUND, SERVER_ERROR = 403, 404, 500
UNKNOWN_TABLE, UNKNOWN_DATABASE = 60, 81
TOO_SLOW = "Code: 159. DB::Exception: Timeout exceeded: elapsed 60 seconds, maximum: 60. (TIMEOUT_EXCEEDED)"


class Server(ThreadingHTTPServer):
    """Listens on loopback."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, engine: Engine, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.engine = engine
        self.credentials = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.lost = ""
        self.breaks = False


class Handler(BaseHTTPRequestHandler):
    """Answers as ClickHouse does."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self._body()
        if self.path.startswith("/mischief"):
            self._mischief(dict(parse_qsl(urlsplit(self.path).query)))
        elif self.headers.get("Authorization") != self.server.credentials:
            self._refuse(FORBIDDEN, Refused(AUTHENTICATION_FAILED.format(user=self._user())))
        else:
            self._carry_out(read(self.path, self.headers, body))

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _carry_out(self, request: Request) -> None:
        try:
            with self.server.engine.answering(request) as pieces:
                # What fails before the first piece has a status that says so.
                first = next(pieces, b"")
                if request.insert and request.insert.table == self.server.lost:
                    self.server.lost = ""
                    self.close_connection = True
                    return
                if request.waits or request.insert:
                    self._answer(request, first + b"".join(pieces))
                else:
                    self._stream(first, pieces)
        except Refused as error:
            status = NOT_FOUND if error.code in (UNKNOWN_TABLE, UNKNOWN_DATABASE) else SERVER_ERROR
            self._refuse(status, error)

    def _answer(self, request: Request, answer: bytes) -> None:
        headers = {}
        if request.wants_compression:
            answer, headers = lz4.frame.compress(answer), {"Content-Encoding": "lz4"}
        self._send(200, {**headers, "X-ClickHouse-Format": request.format}, answer)

    def _stream(self, first: bytes, pieces: Iterator[bytes]) -> None:
        tag = secrets.token_hex(8)
        self._begin(200, {"Transfer-Encoding": "chunked", "X-ClickHouse-Exception-Tag": tag})
        breaks, self.server.breaks = self.server.breaks, False
        self._chunk(first)
        try:
            for piece in pieces:
                self._chunk(piece)
        except Refused as error:
            breaks, text = True, str(error)
        else:
            text = TOO_SLOW
        if breaks:
            marker = f"__exception__\r\n{tag}\r\n"
            self._chunk(f"{marker}{text}\n{len(text)} {tag}\r\n__exception__\r\n".encode())
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        if data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _refuse(self, status: int, error: Refused) -> None:
        self._send(status, {"X-ClickHouse-Exception-Code": str(error.code)}, f"{error}\n".encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._begin(status, {**headers, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        summary = json.dumps({"read_rows": "0", "written_rows": "0"})
        for name, value in {"X-ClickHouse-Timezone": "UTC", "X-ClickHouse-Summary": summary, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _user(self) -> str:
        text = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        return text.partition(":")[0] or "default"

    def _mischief(self, asked: dict[str, str]) -> None:
        self.server.lost = asked.get("lose", self.server.lost)
        self.server.breaks = "break" in asked or self.server.breaks
        if isinstance(self.server.engine, Cluster):
            self.server.engine.unreachable = int(asked.get("unreachable", 0))
        self._send(200, {}, b"")


def main() -> None:
    """Serves on loopback."""
    parser = argparse.ArgumentParser(prog="python -m tests.standins.clickhouse", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--user", default="segops")
    parser.add_argument("--password", default="")
    parser.add_argument("--database", default="segops")
    parser.add_argument("--cluster", default="", help="the name of a cluster")
    parser.add_argument("--shards", type=int, default=2)
    own = parser.parse_args()
    engine = (
        Cluster(own.directory, own.database, own.cluster, own.shards)
        if own.cluster
        else Engine(own.directory, own.database)
    )
    Server(own.port, engine, own.user, own.password).serve_forever()


if __name__ == "__main__":
    main()
