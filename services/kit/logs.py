"""Logs: one JSON object a line on stderr, with the request being served: its id, its tenant, and its trace."""

import logging
import sys

from pythonjsonlogger.msgspec import MsgspecFormatter

from services.kit import tracing
from services.kit.caller import current_request


def configure(process: str, level: str) -> None:
    """Sends all logging of this process to stderr as JSON with the process name and the request being served."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_add_request)
    handler.setFormatter(
        MsgspecFormatter(
            "%(levelname)s %(name)s %(message)s %(request_id)s %(tenant_id)s %(trace_id)s",
            timestamp="time",
            rename_fields={"levelname": "level", "name": "logger"},
            static_fields={"process": process},
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _add_request(record: logging.LogRecord) -> bool:
    request = current_request()
    record.request_id = request.id or None
    # Work for many tenants says itself whom a line is about.
    if not hasattr(record, "tenant_id"):
        record.tenant_id = request.caller.tenant_id or None
    record.trace_id = tracing.trace_id()
    return True
