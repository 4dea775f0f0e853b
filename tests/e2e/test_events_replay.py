"""segopsctl events replay: a warehouse that was lost is loaded again."""

import json
import shutil
from pathlib import Path

from services.kit.eventlog import EventLog
from tests.e2e.segopsctl import segopsctl
from tests.integration.process import ServiceProcess
from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.rows import Event, rows
from tests.running import Running, wait_for

TENANT, MESSAGES, EVENTS = 1, 5, 40
DONE, REFUSED, WRONG = 0, 1, 2


async def test_an_operator_loads_a_lost_warehouse_again(tmp_path: Path) -> None:
    running = Running(tmp_path / "data", "postgres", "nats", "migrate", "identity")
    wait_for(running.database)
    process = ServiceProcess(running.settings, "warehouse")
    process.start()
    try:
        warehouse = Warehouse(running.settings, await EventLog.connect(running.settings))
        for message in range(MESSAGES):
            events = [Event(user_id=f"u{message}") for _ in range(EVENTS)]
            await warehouse.loaded(await warehouse.log.append(TENANT, rows(TENANT, *events)))
        await warehouse.close()

        refused = segopsctl(running, "events", "replay")
        assert (refused.returncode, refused.stdout) == (REFUSED, "")
        assert "The warehouse holds events of this range" in refused.stderr
        assert segopsctl(running, "events", "replay", "--from", "yesterday").returncode == WRONG

        process.kill()
        shutil.rmtree(running.settings.home / "warehouse")
        process.start()
        done = segopsctl(running, "events", "replay", "--json")
        # The last block was in doubt, and is settled by the loader itself.
        assert json.loads(done.stdout) == {"messages": MESSAGES - 1, "events_stored": (MESSAGES - 1) * EVENTS}
        assert done.returncode == DONE
    finally:
        process.kill()
        running.stop()
