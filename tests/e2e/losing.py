"""A way to the edge that loses answers: the edge gets the request, the client a closed connection."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

CHUNK = 2**16


class LosingWay(ThreadingTCPServer):
    """Passes requests on; `to_lose` counts the answers that it will still lose, `lost` those that it did."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.edge_port = port
        self.to_lose = 0
        self.lost = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Connection(BaseRequestHandler):
    server: LosingWay

    def handle(self) -> None:
        with closing(socket.create_connection(("127.0.0.1", self.server.edge_port))) as edge:
            Thread(target=_copy, args=(self.request, edge), daemon=True).start()
            while answer := edge.recv(CHUNK):
                if self.server.to_lose:
                    self.server.to_lose -= 1
                    self.server.lost += 1
                    return
                self.request.sendall(answer)


@contextmanager
def losing_way(port: int) -> Iterator[LosingWay]:
    """One to the edge on this port, within the block."""
    with LosingWay(port) as way:
        Thread(target=way.serve_forever, daemon=True).start()
        yield way
        way.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(CHUNK):
            target.sendall(data)
    except OSError:
        return  # either side closed its connection
