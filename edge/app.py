"""The authz process's HTTP face (RSGI): Envoy's ext_authz checks, and `/readyz`."""

import json
import logging
from dataclasses import dataclass
from typing import Any

from edge.decision import Door, refuse
from edge.readiness import Readiness
from services.kit.errors import Unavailable

log = logging.getLogger("edge")

JSON_TYPE = ("content-type", "application/json")
# The path and query as the client sent them; the server decodes percent signs in its own.
TARGET_HEADER = "x-segops-target"


@dataclass(frozen=True, kw_only=True)
class App:
    """Answers Envoy."""

    door: Door
    readiness: Readiness

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Handles one request (RSGI 1.x)."""
        if scope.path == "/readyz":
            await self._ready(protocol)
            return
        try:
            answer = await self.door.decide(scope.method, scope.headers.get(TARGET_HEADER) or "", scope.headers)
        except Exception:
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
