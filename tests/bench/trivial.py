"""What the load generator itself costs: measured against a server that only answers."""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

from tests.bench.load import run_load

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"queued": 500}'


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one request costs the generator, in seconds of a core, and how many a second it can make at most."""

    core_seconds: float
    most_a_second: float


class TrivialServer(asyncio.Protocol):
    """Answers each request when all of its bytes are there."""

    def __init__(self) -> None:
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._missing == 0:
            head, end, _ = data.partition(b"\r\n\r\n")
            length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            self._missing = len(head) + len(end) + int(length)
        self._missing -= len(data)
        if self._missing == 0:
            self._transport.write(ANSWER)


async def measure(requests: Sequence[bytes], seconds: float) -> Cost:
    """Sends the requests to a trivial server in another process, round and round."""
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.trivial", stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        port = int(await server.stdout.readline())
        load = await run_load(
            port, itertools.cycle(requests), is_right=lambda answer: answer.status == 200, seconds=seconds
        )
    finally:
        server.terminate()
        await server.wait()
    load.raise_errors()
    return Cost(core_seconds=load.generator_seconds / load.requests, most_a_second=load.rate)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(TrivialServer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
