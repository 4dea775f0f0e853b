"""The warehouse process: loads the event log and answers questions over all events."""

import asyncio
import logging
import os
import signal

from services.gen.segops.warehouse.v1 import (
    backup_pb2_grpc,
    erasure_pb2_grpc,
    explain_pb2_grpc,
    links_pb2_grpc,
    totals_pb2_grpc,
    warehouse_pb2_grpc,
)
from services.kit.metrics import LOOK_SECONDS
from services.kit.repeating import repeat
from services.kit.server import Service, run
from services.kit.settings import Settings
from services.warehouse.backup_servicer import BackupServicer
from services.warehouse.engine import Engine
from services.warehouse.erasure_servicer import ErasureServicer
from services.warehouse.explain_servicer import ExplainServicer
from services.warehouse.links_servicer import LinkMirrorServicer
from services.warehouse.loading.lag import LagWatch
from services.warehouse.loading.lease import Lease
from services.warehouse.loading.loader import Loader
from services.warehouse.loading.replay import Replay
from services.warehouse.purging import keep_purging
from services.warehouse.relaying import Relay, reached_at
from services.warehouse.retention import keep_removing
from services.warehouse.servicer import WarehouseServicer
from services.warehouse.settings import WarehouseSettings
from services.warehouse.totals_servicer import TotalsServicer

log = logging.getLogger("warehouse")


async def main(settings: Settings) -> None:
    own = WarehouseSettings()
    engine = Engine(settings, own)
    lease = None if engine.is_embedded else Lease(reached_at(settings, own.peer_address))
    relay = Relay(lease) if lease else None
    service = Service("warehouse", settings, interceptors=[relay] if relay else [])
    service.resources.callback(engine.close)
    if relay:
        service.resources.push_async_callback(relay.close)
    loader = Loader(settings, own, engine, lease)
    service.resources.push_async_callback(loader.close)
    loading = asyncio.create_task(loader.run())
    loading.add_done_callback(_end_process)
    service.resources.callback(loading.cancel)
    service.keep_doing(keep_purging(engine))
    if own.retention_days is not None:
        service.keep_doing(keep_removing(engine, loader, own.retention_days))
    service.keep_doing(repeat(LOOK_SECONDS, LagWatch(loader, settings.home).look))
    service.watch(engine.check)
    service.watch(loader.check)
    replay = Replay(own, engine, loader)
    servicer = WarehouseServicer(engine, loader, replay)
    backup_pb2_grpc.add_BackupServiceServicer_to_server(BackupServicer(engine, loader, replay), service.server)
    warehouse_pb2_grpc.add_WarehouseServiceServicer_to_server(servicer, service.server)
    erasure_pb2_grpc.add_ErasureServiceServicer_to_server(ErasureServicer(engine, loader), service.server)
    explain_pb2_grpc.add_ExplainServiceServicer_to_server(ExplainServicer(engine), service.server)
    links_pb2_grpc.add_LinkMirrorServiceServicer_to_server(LinkMirrorServicer(engine, loader.erased), service.server)
    totals_pb2_grpc.add_TotalsServiceServicer_to_server(TotalsServicer(engine), service.server)
    await service.serve(
        "segops.warehouse.v1.WarehouseService",
        "segops.warehouse.v1.BackupService",
        "segops.warehouse.v1.ErasureService",
        "segops.warehouse.v1.ExplainService",
        "segops.warehouse.v1.LinkMirrorService",
        "segops.warehouse.v1.TotalsService",
    )


def _end_process(loading: "asyncio.Task[None]") -> None:
    """Without its loader the process is of no use; the supervisor starts another one."""
    if not loading.cancelled():
        log.critical("the loader ended", exc_info=loading.exception())
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    # Definitions use every core for seconds: whoever answers in milliseconds goes first. Events still come in, because
    # a process with this niceness gets a third of what another one gets.
    os.nice(5)
    # The embedded engine takes its time zone from the process, once, and its allocator how soon freed memory goes back:
    # by default after 5 s, in which a query that works through a lot of memory makes the process far larger than it is.
    os.environ["TZ"] = "UTC"
    os.environ.setdefault("JE_MALLOC_CONF", "dirty_decay_ms:200")
    run("warehouse", main)
