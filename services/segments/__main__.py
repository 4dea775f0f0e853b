"""The segments process: definitions, computes, and who is in which segment."""

from services.gen.segops.segments.v1 import segments_pb2_grpc
from services.kit.acting import Actor
from services.kit.keys import SERVICE_SECRET, secret
from services.kit.postgres import Database
from services.kit.server import Service, run
from services.kit.settings import Settings
from services.segments.compute import Computer
from services.segments.cursors import Cursors
from services.segments.jobs import ComputeQueue
from services.segments.lookup import MembershipLookup
from services.segments.membership import Memberships
from services.segments.servicer import SegmentsServicer
from services.segments.warehouse import Warehouse


async def main(settings: Settings) -> None:
    service = Service("segments", settings)
    database = Database.connect(settings)
    service.resources.push_async_callback(database.close)
    service.watch(database.check)
    warehouse = Warehouse(settings, Actor(settings, "segments"))
    service.resources.push_async_callback(warehouse.close)
    queue = ComputeQueue(settings, database, Computer(database, warehouse))
    await service.resources.enter_async_context(queue.working())
    lookup = await MembershipLookup.connect(settings)
    service.resources.push_async_callback(lookup.close)
    cursors = Cursors(secret(settings, SERVICE_SECRET))
    servicer = SegmentsServicer(database, Memberships(lookup), queue, warehouse, cursors)
    segments_pb2_grpc.add_SegmentsServiceServicer_to_server(servicer, service.server)
    await service.serve("segops.segments.v1.SegmentsService")


if __name__ == "__main__":
    run("segments", main)
