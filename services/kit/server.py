"""How every service runs: a gRPC server with health, reflection, one interceptor and a graceful drain."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.kit import logs, metrics, metrics_server, tracing
from services.kit.caller import IDENTITY_HEADER, Caller, IdentityVerifier
from services.kit.channel import MAX_MESSAGE_BYTES, TAKES_CALLS
from services.kit.interceptor import Authenticate, CallInterceptor
from services.kit.keys import internal_public_key
from services.kit.repeating import repeat
from services.kit.settings import Settings

if TYPE_CHECKING:
    # Not for processes without PostgreSQL.
    from services.kit.idempotency import Answers

log = logging.getLogger("server")

CHECK_SECONDS = 1.0
FORGET_SECONDS = 3600.0
# What passes the edge, which takes 60 KiB of headers and says the URL three times; gRPC's own limit is 8 KiB.
MAX_METADATA_BYTES = 256 * 1024

Check = Callable[[], Awaitable[object]]


def run(process: str, main: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """Runs `main` of a process with its settings, JSON logs and uvloop until it returns."""
    settings = Settings()
    logs.configure(process, settings.log_level)
    metrics_server.serve(process, settings.metrics_address(process))
    tracing.configure(process, settings)
    uvloop.run(main(settings))
    tracing.finish()


def identity_from_header(settings: Settings) -> Authenticate:
    """Takes the caller from the signed identity header, and from nothing else."""
    verifier = IdentityVerifier(key=internal_public_key(settings))

    def authenticate(metadata: Mapping[str, str]) -> Caller:
        return verifier.verify(metadata.get(IDENTITY_HEADER, ""))

    return authenticate


class Service:
    """One service process.

    Add servicers to `server`, checks of its backends with `watch`, and resources to close at the end to `resources`,
    then `serve`. Health says SERVING while every check passes.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        authenticate: Authenticate | None = None,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    ) -> None:
        """`interceptors` get the calls that passed the service's own."""
        self.name = name
        self.settings = settings
        self.resources = AsyncExitStack()
        self._interceptor = CallInterceptor(authenticate or identity_from_header(settings))
        self.server = grpc.aio.server(
            interceptors=[self._interceptor, *interceptors],
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
                ("grpc.max_metadata_size", MAX_METADATA_BYTES),
                ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
                # Callers who look for their name again find replicas that are new.
                ("grpc.max_connection_age_ms", 300_000),
                # More often than gRPC takes of itself for polite: clients ask every 10 s whether a host is still there.
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ],
        )
        self._health = health.aio.HealthServicer()
        self._checks: list[Check] = []

    def watch(self, check: Check) -> None:
        """Calls `check` every second; the service is not ready while it raises or takes longer than a second."""
        self._checks.append(check)

    def keep_answers(self, answers: "Answers") -> None:
        """Where answers to requests with an idempotency key are kept. A service with POST routes needs it."""
        self._interceptor.answers = answers
        self.keep_doing(repeat(FORGET_SECONDS, answers.forget))

    def keep_doing(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs work beside the calls, until the service ends."""
        self.resources.callback(asyncio.create_task(work).cancel)

    async def serve(self, *service_names: str) -> None:
        """Serves until SIGTERM or SIGINT, then refuses new calls and drains the running ones."""
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        reflection.enable_server_reflection((*service_names, health.SERVICE_NAME, reflection.SERVICE_NAME), self.server)
        self.server.add_insecure_port(self.settings.listens_on(self.name))
        await self._health.set(TAKES_CALLS, health_pb2.HealthCheckResponse.SERVING)
        # A new health servicer says SERVING; nothing has been checked yet.
        await self._health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        await self.server.start()
        log.info("listening")
        async with self.resources:
            checking = asyncio.create_task(self._keep_health())
            await stop.wait()
            checking.cancel()
            await self._hand_over()
            await self.server.stop(grace=self.settings.drain_seconds)
        log.info("stopped")

    async def _hand_over(self) -> None:
        """Says that others should be called, and takes calls until they are: those that come later are lost."""
        for name in ("", TAKES_CALLS):
            await self._health.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
        await asyncio.sleep(self.settings.handover_seconds)

    async def _keep_health(self) -> None:
        serving: bool | None = None
        while True:
            ready = await self._is_ready()
            if ready != serving:
                serving = ready
                status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
                await self._health.set("", status)
                metrics.READY.set(ready)
                log.info("ready" if ready else "not ready")
            await asyncio.sleep(CHECK_SECONDS)

    async def _is_ready(self) -> bool:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                for check in self._checks:
                    await check()
        except Exception as error:
            log.warning("a backend does not answer: %r", error)
            return False
        return True
