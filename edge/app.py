"""The authz process's HTTP face (RSGI): Envoy's checks, `/readyz`, API document, `/metrics` for whoever reaches it."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from edge.decision import Door, MethodNotAllowed, refuse
from edge.openapi.files import File, is_file
from edge.readiness import Readiness
from services.kit.caller import REQUEST_ID_HEADER, Request, serving
from services.kit.errors import NotFound, Unavailable

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

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Handles one request (RSGI 1.x)."""
        if scope.path == "/readyz":
            await self._ready(protocol)
            return
        target = scope.headers.get(TARGET_HEADER)
        if target is None and scope.path == "/metrics":
            protocol.response_bytes(200, [("content-type", CONTENT_TYPE_PLAIN_0_0_4)], generate_latest())
            return
        path = (target or "").partition("?")[0]
        if is_file(path):
            self._file(path, scope, protocol)
            return
        try:
            answer = await self.door.decide(scope.method, target or "", scope.headers)
        except Exception:
            with serving(Request(id=scope.headers.get(REQUEST_ID_HEADER) or "")):
                log.exception("a decision failed")
            answer = refuse(Unavailable())
        protocol.response_str(answer.status, answer.headers, answer.message)

    async def _ready(self, protocol: Any) -> None:
        missing = await self.readiness.missing()
        if missing:
            body = json.dumps({"detail": f"Not ready: {', '.join(missing)}."})
            protocol.response_str(503, [JSON_TYPE, ("retry-after", "1")], body)
        else:
            protocol.response_str(200, [JSON_TYPE], '{"status": "ready"}')

    def _file(self, path: str, scope: Any, protocol: Any) -> None:
        if path not in self.files or scope.method != "GET":
            refusal = refuse(MethodNotAllowed(["GET"]) if path in self.files else NotFound())
            protocol.response_str(refusal.status, refusal.headers, refusal.message)
            return
        answer = self.files[path].answer(scope.headers)
        protocol.response_bytes(answer.status, answer.headers, answer.body)
