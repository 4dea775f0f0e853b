"""Logs: one JSON object a line on stderr, with the id of the request being served."""

import logging
import sys

from pythonjsonlogger.msgspec import MsgspecFormatter

from services.kit.caller import current_request


def configure(process: str, level: str) -> None:
    """Sends all logging of this process to stderr as JSON with the process name and the request id."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_add_request_id)
    handler.setFormatter(
        MsgspecFormatter(
            "%(levelname)s %(name)s %(message)s %(request_id)s",
            timestamp="time",
            rename_fields={"levelname": "level", "name": "logger"},
            static_fields={"process": process},
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = current_request().id or None
    return True
