"""The first sync of a large segment to stand-ins of vendors on this machine, which do no more than keep its users."""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.kit.channel import connect
from services.kit.settings import Settings
from tests.bench.load import LoadFailed
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.storm.places import BrazePlace, KlaviyoPlace, Place
from tests.integration.process import ServiceProcess
from tests.running import Running, wait_for
from tests.standins.braze import Braze
from tests.standins.klaviyo import Klaviyo
from tests.standins.server import serving

TENANT = 1
LIST = "LIST01"
START_SECONDS = 60.0
SYNC_SECONDS = 900.0
POLL_SECONDS = 0.02

# A segment that was computed once, with so many members.
FILL = """
WITH run AS (
  INSERT INTO segment_runs (tenant_id, segment_id, version, cause, computed_at, entered, exited, member_count)
  VALUES (%(tenant_id)s, %(segment_id)s, 1, 'requested', now(), %(users)s, 0, %(users)s) RETURNING id),
segment AS (UPDATE segments SET last_run_id = run.id FROM run WHERE segments.id = %(segment_id)s),
changes AS (
  INSERT INTO membership_changes (segment_id, run_id, user_id, tenant_id, entered)
  SELECT %(segment_id)s, run.id, 'usr_' || lpad(to_hex(number), 16, '0'), %(tenant_id)s, true
  FROM run, generate_series(1, %(users)s) AS number
  RETURNING user_id)
INSERT INTO memberships (tenant_id, user_id, segment_id, entered_at)
SELECT %(tenant_id)s, user_id, %(segment_id)s, now() FROM changes ORDER BY user_id"""


@dataclass(frozen=True, kw_only=True)
class Sync:
    """A first sync: seconds from the owner's activation to its end, and the most memory the process took (MiB)."""

    vendor: str
    users: int
    seconds: float
    peak_mib: float


def measure(home: Path, users: int, done: Callable[[int], object] = lambda _: None) -> Sequence[Sync]:
    """Syncs a segment of so many users to each vendor; `done` is told each number of users that were sent."""
    running = Running(home, "postgres", "migrate")
    try:
        settings = running.settings
        segment_id = wait_for(lambda: _fill(running, users), START_SECONDS)
        with serving(Braze()) as braze, serving(Klaviyo(LIST)) as klaviyo:
            variables = {
                "SEGOPS_OUTBOUND_ALLOW": "127.0.0.1",
                "SEGOPS_CONNECTORS_KLAVIYO_URL": klaviyo.url,
            }
            found = []
            for name, place in (("Braze", BrazePlace(braze)), ("Klaviyo", KlaviyoPlace(klaviyo, LIST))):
                process = ServiceProcess(settings, "connectors", **variables)
                process.start()
                try:
                    seconds = asyncio.run(_sync(settings, segment_id, place))
                    peak_mib = _peak_mib(process.pid)
                finally:
                    process.stop()
                if (there := len(place.audiences(segment_id)[0])) != users:
                    raise LoadFailed(f"{name} has {there} of {users} users")
                found.append(Sync(vendor=name, users=users, seconds=seconds, peak_mib=peak_mib))
                done(users)
        return found
    finally:
        running.stop()


def _fill(running: Running, users: int) -> int | None:
    """A segment with so many members; None while there is no schema yet."""
    connection = running.database()
    if connection is None:
        return None
    with connection:
        if connection.execute("SELECT to_regclass('activations')").fetchone() == (None,):
            return None
        [segment_id] = connection.execute(
            "INSERT INTO segments (tenant_id, name, member_count) VALUES (%s, 'Everybody', %s) RETURNING id",
            (TENANT, users),
        ).fetchone() or (None,)
        connection.execute(FILL, {"tenant_id": TENANT, "segment_id": segment_id, "users": users})
        connection.execute("ANALYZE")
        assert isinstance(segment_id, int)
        return segment_id


async def _sync(settings: Settings, segment_id: int, place: Place) -> float:
    """Seconds of a first sync."""
    async with connect(settings, "connectors") as channel:
        tenant = Tenant(settings, channel, TENANT)
        connector = await tenant.create(segment_id, place.kind, place.config)
        started = time.perf_counter()
        await tenant.update(connector.id, status="active")
        while (now := await tenant.get(connector.id)).last_synced_at.WhichOneof("kind") == "null_value":
            if now.last_error.string_value or time.perf_counter() > started + SYNC_SECONDS:
                raise LoadFailed(f"a sync does not end: {now.last_error.string_value}")
            await asyncio.sleep(POLL_SECONDS)
        return time.perf_counter() - started


def _peak_mib(pid: int) -> float:
    """The most memory a process had resident so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024
