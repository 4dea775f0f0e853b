"""The segments process: definitions, computes, and who is in which segment."""

import asyncio
from datetime import timedelta

from services.gen.segops.segments.v1 import segments_pb2_grpc
from services.kit.acting import Actor
from services.kit.idempotency import Answers
from services.kit.jobs import Jobs
from services.kit.keys import SERVICE_SECRET, secret
from services.kit.objects import Objects
from services.kit.postgres import Database
from services.kit.repeating import repeat
from services.kit.server import Service, run
from services.kit.settings import Settings
from services.segments.cursors import Cursors
from services.segments.evaluation import Evaluations
from services.segments.export_jobs import EXPORTS, ExportQueue
from services.segments.export_sweeping import SWEEP_SECONDS, ExportSweeper
from services.segments.exporter import Exporter
from services.segments.exporting import Exports
from services.segments.jobs import QUEUE, ComputeQueue
from services.segments.lookup import MembershipLookup
from services.segments.matches import TenantMatches
from services.segments.membership import Memberships
from services.segments.mirror import Mirror
from services.segments.schedule import Schedule
from services.segments.servicer import SegmentsServicer
from services.segments.settings import ExportSettings, SegmentsSettings
from services.segments.warehouse import Warehouse


async def main(settings: Settings) -> None:
    service = Service("segments", settings)
    own = SegmentsSettings()
    database = Database.connect(settings)
    service.resources.push_async_callback(database.close)
    service.watch(database.check)
    service.keep_answers(Answers(database, settings))
    streams = Database.connect(settings)
    service.resources.push_async_callback(streams.close)
    warehouse = Warehouse(settings)
    service.resources.push_async_callback(warehouse.close)
    evaluations = Evaluations(database, Mirror(warehouse))
    queue = ComputeQueue(database, TenantMatches(Actor(settings, "segments"), evaluations, warehouse))
    jobs = Jobs(settings, database, QUEUE, queue.tasks)
    await service.resources.enter_async_context(jobs.working())
    scheduling = asyncio.create_task(repeat(own.schedule_check_seconds, Schedule(database, queue).queue_due))
    service.resources.callback(scheduling.cancel)
    lookup = await MembershipLookup.connect(settings)
    service.resources.push_async_callback(lookup.close)
    key = secret(settings, SERVICE_SECRET)
    servicer = SegmentsServicer(
        database,
        streams,
        Memberships(lookup),
        queue,
        evaluations,
        warehouse,
        await start_exports(service, database),
        member_cursors=Cursors(key, "member lists"),
        change_cursors=Cursors(key, "change lists"),
    )
    segments_pb2_grpc.add_SegmentsServiceServicer_to_server(servicer, service.server)
    await service.serve("segops.segments.v1.SegmentsService")


async def start_exports(service: Service, database: Database) -> Exports:
    """Runs the queue of exports and keeps their storage clean, until the service ends."""
    own = ExportSettings()
    objects = Objects.at(own.url or (service.settings.home / "exports").as_uri())
    service.resources.callback(objects.close)
    queue = ExportQueue(Exporter(database, objects, keep=timedelta(hours=own.keep_hours)))
    jobs = Jobs(service.settings, database, EXPORTS, queue.tasks)
    await service.resources.enter_async_context(jobs.working())
    sweeping = asyncio.create_task(repeat(SWEEP_SECONDS, ExportSweeper(database, objects).sweep))
    service.resources.callback(sweeping.cancel)
    return Exports(database, objects, queue)


if __name__ == "__main__":
    run("segments", main)
