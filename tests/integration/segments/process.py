"""The segments process as a test starts, stops and kills it."""

import subprocess
import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.kit.settings import Settings
from tests.running import WAIT_SECONDS, environment, wait_for


class SegmentsProcess:
    """One `python -m services.segments`."""

    def __init__(self, settings: Settings, **variables: str) -> None:
        self._settings = settings
        self._variables = variables
        self._output = settings.home / "segments.out"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it and returns when it is ready."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.segments"],
                env=environment(self._settings) | self._variables,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_for(self._is_ready)

    def kill(self) -> None:
        """Ends it as the kernel does when memory is short."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(WAIT_SECONDS)

    def stop(self) -> int:
        """Asks it to end and answers its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(WAIT_SECONDS)

    def said(self) -> str:
        """What it wrote so far."""
        return self._output.read_text()

    def _is_ready(self) -> bool:
        address = self._variables.get("SEGOPS_LISTEN") or self._settings.address("segments")
        with grpc.insecure_channel(address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
