"""A stand-in for S3: moto's server on a port of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.running import WAIT_SECONDS, free_port_pair, wait_for

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIASTANDIN", "AWS_SECRET_ACCESS_KEY": "the-secret-of-the-stand-in"}


class Bucket:
    """A bucket of a server in a process. What it holds ends with the server."""

    def __init__(self) -> None:
        self._port = free_port_pair()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where objects go, as services/kit/bucket.py takes it."""
        return f"s3://bucket/some/prefix?region=eu-west-1&endpoint_override=http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts the server with an empty bucket."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._make)

    def stop(self) -> None:
        """Ends the server, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_SECONDS)
            self._process = None

    def _make(self) -> bool:
        try:
            return httpx.put(f"http://127.0.0.1:{self._port}/bucket", verify=False).is_success
        except httpx.TransportError:
            return False


@contextmanager
def running_bucket() -> Iterator[Bucket]:
    """A bucket whose server runs within the block."""
    bucket = Bucket()
    try:
        bucket.start()
        yield bucket
    finally:
        bucket.stop()
