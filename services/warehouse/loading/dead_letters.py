"""Messages whose rows cannot be read: kept aside with the reason, so that the log goes on."""

import logging
from collections.abc import Sequence

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from nats.js.api import DiscardPolicy, StreamConfig

from services.kit.eventlog import EventLog
from services.kit.streams import ensure_stream
from services.warehouse.failures import is_unreadable
from services.warehouse.loading.blocks import Block
from services.warehouse.loading.inserts import probe
from services.warehouse.loading.messages import Message

log = logging.getLogger("loader")

STREAM = "EVENTS_DEAD"
SUBJECT_PREFIX = "dead"
KEPT_SECONDS = 30 * 24 * 3600
MAX_BYTES = 1 << 30
REASON_CHARACTERS = 500

DeadLetter = tuple[Message, str]


def broken(block: Block) -> list[DeadLetter]:
    """The messages that would spoil others or their own reading, though the engine might take them."""
    found: list[DeadLetter] = []
    for message in block.messages:
        if message.rows and not message.rows.endswith(b"\n"):
            found.append((message, "the last row has no line end"))
        elif not _is_text(message.rows):
            found.append((message, "not UTF-8"))
    return found


def unreadable(client: Client, messages: Sequence[Message]) -> list[DeadLetter]:
    """The messages the engine cannot read, each with the reason, found by halving. Raises any other engine error."""
    try:
        probe(client, messages)
        return []
    except ClickHouseError as error:
        if not is_unreadable(error):
            raise
        if len(messages) == 1:
            return [(messages[0], str(error)[:REASON_CHARACTERS])]
    middle = len(messages) // 2
    return unreadable(client, messages[:middle]) + unreadable(client, messages[middle:])


async def put_aside(event_log: EventLog, letters: list[DeadLetter]) -> None:
    """Writes messages to the stream of dead letters, under `dead.<tenant>`, and logs each as an error."""
    await _ensure_stream(event_log)
    for message, reason in letters:
        sequence = str(message.sequence)
        tenant = message.subject.rpartition(".")[2]
        headers = {
            # A letter that is written again after a crash is stored once.
            "Nats-Msg-Id": sequence,
            "Segops-Sequence": sequence,
            "Segops-Reason": " ".join(reason.split()),
        }
        await event_log.jetstream.publish(f"{SUBJECT_PREFIX}.{tenant}", message.rows, headers=headers)
        log.error("events that cannot be read were put aside", extra={"sequence": message.sequence, "reason": reason})


def _is_text(rows: bytes) -> bool:
    try:
        rows.decode()
    except UnicodeDecodeError:
        return False
    return True


async def _ensure_stream(event_log: EventLog) -> None:
    wanted = StreamConfig(
        name=STREAM,
        subjects=[f"{SUBJECT_PREFIX}.*"],
        discard=DiscardPolicy.OLD,
        num_replicas=event_log.replicas,
        max_age=KEPT_SECONDS,
        max_bytes=MAX_BYTES,
    )
    await ensure_stream(event_log.jetstream, wanted)
