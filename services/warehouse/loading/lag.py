"""How far the warehouse is behind the event log, and how large that is, as numbers."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from nats.js.errors import NotFoundError

from services.kit.eventlog import STREAM, SUBJECT_PREFIX, EventLog
from services.warehouse import metrics
from services.warehouse.loading.loader import Loader


class LagWatch:
    """Watches one loader, and the disk with the data directory."""

    def __init__(self, loader: Loader, home: Path) -> None:
        self._loader = loader
        self._home = home

    async def look(self) -> None:
        """Notes it for metrics. Raises what the event log raises; what was noted before stays then."""
        metrics.DISK_FREE.set(shutil.disk_usage(self._home).free)
        if not self._loader.loaded and not self._loader.is_reading:
            return
        log = self._loader.log
        state = (await log.jetstream.stream_info(STREAM)).state
        metrics.LOG_MESSAGES.set(state.messages)
        metrics.LOG_BYTES.set(state.bytes)
        loaded = max(self._loader.loaded, state.first_seq - 1)
        behind = max(state.last_seq - loaded, 0)
        metrics.LAG_MESSAGES.set(behind)
        metrics.LAG_SECONDS.set(await _age_after(log, loaded) if behind else 0)


async def _age_after(log: EventLog, sequence: int) -> float:
    """Seconds since the first message after one was received."""
    try:
        message = await log.jetstream.get_msg(STREAM, seq=sequence + 1, subject=f"{SUBJECT_PREFIX}.*", next=True)
    except NotFoundError:
        return 0.0
    assert message.time is not None
    return max((datetime.now(UTC) - message.time).total_seconds(), 0.0)
