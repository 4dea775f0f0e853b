"""An event log and a warehouse of a test's own, which it may kill."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import grpc

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.gen.segops.warehouse.v1 import warehouse_pb2_grpc
from services.kit.caller import IDENTITY_HEADER, Caller, mint
from services.kit.channel import connect
from services.kit.eventlog import EventLog
from services.kit.keys import INTERNAL_KEY, ensure_secrets, private_key
from services.kit.settings import Settings
from tests.running import environment, free_port_pair

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.02

Metadata = tuple[tuple[str, str], ...]


class Processes:
    """NATS and the warehouse on a directory; both are started and ended one by one."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(data_dir=home, edge_port=free_port_pair())
        ensure_secrets(self.settings)
        self.settings.run_dir.mkdir(parents=True, exist_ok=True)
        self._output = (home / "output").open("ab")
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *modules: str, **variables: str) -> None:
        """Starts processes by module, such as `services.warehouse`."""
        for module in modules:
            self.start_as(module, module, **variables)

    def start_as(self, name: str, module: str, **variables: str) -> subprocess.Popen[bytes]:
        """Starts one of several processes of a module, under a name of its own."""
        self._running[name] = subprocess.Popen(
            [sys.executable, "-m", module],
            env=environment(self.settings) | variables,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        return self._running[name]

    def end(self, module: str, signum: signal.Signals = signal.SIGKILL) -> None:
        """Ends a process and returns when it is gone."""
        process = self._running.pop(module)
        process.send_signal(signum)
        process.wait(WAIT_SECONDS)

    def pid(self, module: str) -> int:
        """The id of a running process."""
        return self._running[module].pid

    def is_running(self, module: str) -> bool:
        """Whether a process that was started has not ended."""
        return self._running[module].poll() is None

    def close(self) -> None:
        """Ends what still runs."""
        for module in list(self._running):
            self.end(module)
        self._output.close()

    def said(self) -> str:
        """What the processes wrote so far."""
        return (self.settings.home / "output").read_text()


NATS, WAREHOUSE = "deploy.local.nats", "services.warehouse"


class Warehouse:
    """The warehouse as another service calls it, and the log it loads."""

    def __init__(self, settings: Settings, log: EventLog) -> None:
        self.settings = settings
        self.log = log
        self._channel = connect(settings, "warehouse")
        self.stub = warehouse_pb2_grpc.WarehouseServiceStub(self._channel)

    async def close(self) -> None:
        """Closes the connections."""
        await self._channel.close()
        await self.log.close()

    def metadata(self, tenant_id: int) -> Metadata:
        """What a call for a tenant carries."""
        caller = Caller(kind="service", tenant_id=tenant_id, service="test")
        return ((IDENTITY_HEADER, mint(caller, private_key(self.settings, INTERNAL_KEY))),)

    async def loaded(self, sequence: int, seconds: float = WAIT_SECONDS) -> None:
        """Returns when the message with this sequence is loaded."""
        metadata = self.metadata(1)
        async with asyncio.timeout(seconds):
            while await self._position(metadata) < sequence:
                await asyncio.sleep(POLL_SECONDS)

    async def _position(self, metadata: Metadata) -> int:
        try:
            answer = await self.stub.GetLoadPosition(pb.GetLoadPositionRequest(), metadata=metadata, timeout=2)
        except grpc.aio.AioRpcError:
            return -1
        return int(answer.sequence)
