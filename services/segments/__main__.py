"""The segments process: definitions, computes, and who is in which segment."""

import asyncio
from datetime import timedelta

from services.gen.segops.segments.v1 import erasure_pb2_grpc, evaluations_pb2_grpc, segments_pb2_grpc
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
from services.segments.erasing import Eraser
from services.segments.erasure_servicer import ErasureServicer
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
from services.segments.ready_servicer import EvaluationServicer
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
    streams = Database.connect(settings, name="streams")
    service.resources.push_async_callback(streams.close)
    warehouse = Warehouse(settings)
    service.resources.push_async_callback(warehouse.close)
    evaluations = Evaluations(database, Mirror(warehouse), warehouse.links)
    queue = ComputeQueue(database, TenantMatches(Actor(settings, "segments"), evaluations, warehouse))
    jobs = Jobs(settings, database, QUEUE, queue.tasks)
    await service.resources.enter_async_context(jobs.working())
    scheduling = asyncio.create_task(repeat(own.schedule_check_seconds, Schedule(database, queue).queue_due))
    service.resources.callback(scheduling.cancel)
    lookup = await MembershipLookup.connect(settings)
    service.resources.push_async_callback(lookup.close)
    key = secret(settings, SERVICE_SECRET)
    objects = Objects.at(ExportSettings().url or (settings.home / "exports").as_uri())
    service.resources.callback(objects.close)
    servicer = SegmentsServicer(
        database,
        streams,
        Memberships(lookup),
        queue,
        evaluations,
        warehouse,
        await start_exports(service, database, objects),
        member_cursors=Cursors(key, "member lists"),
        change_cursors=Cursors(key, "change lists"),
    )
    segments_pb2_grpc.add_SegmentsServiceServicer_to_server(servicer, service.server)
    ready = EvaluationServicer(database, evaluations)
    evaluations_pb2_grpc.add_EvaluationServiceServicer_to_server(ready, service.server)
    # Waits for computes: not with the connections of those who ask.
    erasures = Database.connect(settings, name="erasures")
    service.resources.push_async_callback(erasures.close)
    erasure_pb2_grpc.add_ErasureServiceServicer_to_server(ErasureServicer(Eraser(erasures, objects)), service.server)
    await service.serve(
        "segops.segments.v1.SegmentsService",
        "segops.segments.v1.ErasureService",
        "segops.segments.v1.EvaluationService",
    )


async def start_exports(service: Service, database: Database, objects: Objects) -> Exports:
    """Runs the queue of exports and keeps their storage clean, until the service ends."""
    keep = timedelta(hours=ExportSettings().keep_hours)
    queue = ExportQueue(Exporter(database, objects, keep=keep))
    jobs = Jobs(service.settings, database, EXPORTS, queue.tasks)
    await service.resources.enter_async_context(jobs.working())
    sweeping = asyncio.create_task(repeat(SWEEP_SECONDS, ExportSweeper(database, objects).sweep))
    service.resources.callback(sweeping.cancel)
    return Exports(database, objects, queue)


if __name__ == "__main__":
    run("segments", main)
