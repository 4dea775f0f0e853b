"""The authz process's HTTP face (RSGI): Envoy's checks, `/readyz` and the API document."""

import json
import logging
from asyncio import Event
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge import metrics
from edge.decision import Answer, Door, MethodNotAllowed, refuse
from edge.openapi.files import File, is_file
from edge.readiness import Readiness
from services.kit import tracing
from services.kit.caller import REQUEST_ID_HEADER, Request, serving
from services.kit.errors import NotFound, Unavailable
from services.kit.tracing import TRACE_HEADER

log = logging.getLogger("edge")

JSON_TYPE = ("content-type", "application/json")
# The path and query as the client sent them; the server decodes percent signs in its own. On all that comes from Envoy.
TARGET_HEADER = "x-segops-target"


@dataclass(frozen=True, kw_only=True)
class App:
    """Answers Envoy."""

    door: Door
    readiness: Readiness
    # By path.
    files: Mapping[str, File]
    # Set when the process was told to stop.
    leaving: Event

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Handles one request (RSGI 1.x)."""
        if scope.path == "/readyz":
            await self._ready(protocol)
            return
        if scope.path == "/livez":
            self._live(protocol)
            return
        target = scope.headers.get(TARGET_HEADER)
        path = (target or "").partition("?")[0]
        if is_file(path):
            self._file(path, scope, protocol)
            return
        request = Request(id=scope.headers.get(REQUEST_ID_HEADER) or "")
        with serving(request), tracing.served("decide", scope.headers.get(TRACE_HEADER)):
            answer = await self._decide(scope, target or "")
        protocol.response_str(answer.status, answer.headers, answer.message)

    async def _decide(self, scope: Any, target: str) -> Answer:
        try:
            with metrics.DECISION_SECONDS.time():
                return await self.door.decide(scope.method, target, scope.headers)
        except Exception:
            log.exception("a decision failed")
            return refuse(Unavailable())

    async def _ready(self, protocol: Any) -> None:
        missing = await self.readiness.missing()
        if missing:
            body = json.dumps({"detail": f"Not ready: {', '.join(missing)}."})
            protocol.response_str(503, [JSON_TYPE, ("retry-after", "1")], body)
        else:
            protocol.response_str(200, [JSON_TYPE], '{"status": "ready"}')

    def _live(self, protocol: Any) -> None:
        """Whether this process should get requests, whatever becomes of those it asks itself."""
        status, text = (503, "leaving") if self.leaving.is_set() else (200, "ok")
        protocol.response_str(status, [JSON_TYPE], json.dumps({"status": text}))

    def _file(self, path: str, scope: Any, protocol: Any) -> None:
        if path not in self.files or scope.method != "GET":
            refusal = refuse(MethodNotAllowed(["GET"]) if path in self.files else NotFound())
            protocol.response_str(refusal.status, refusal.headers, refusal.message)
            return
        answer = self.files[path].answer(scope.headers)
        protocol.response_bytes(answer.status, answer.headers, answer.body)
