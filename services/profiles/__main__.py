"""The profiles service: looks up single users."""

from functools import partial

import grpc

from services.gen.segops.analytics.v1 import analytics_pb2_grpc
from services.gen.segops.profiles.v1 import erasures_pb2_grpc, explain_pb2_grpc, links_pb2_grpc, profiles_pb2_grpc
from services.kit.acting import Actor
from services.kit.channel import connect
from services.kit.idempotency import Answers
from services.kit.jobs import Jobs
from services.kit.metrics import LOOK_SECONDS
from services.kit.postgres import Database
from services.kit.pseudonyms import Pseudonyms
from services.kit.repeating import repeat
from services.kit.server import Service, run
from services.kit.settings import Settings
from services.profiles.analytics.member_counts import MemberCounting
from services.profiles.analytics.servicer import AnalyticsServicer
from services.profiles.analytics.warehouse import Warehouse
from services.profiles.erasure_jobs import QUEUE, ErasureQueue
from services.profiles.erasure_servicer import ErasureServicer
from services.profiles.erasure_settings import ErasureSettings
from services.profiles.erasure_stores import ErasureStores
from services.profiles.explain_servicer import ExplainServicer
from services.profiles.links_servicer import LinksServicer
from services.profiles.metrics import look_at_erasures
from services.profiles.servicer import ProfilesServicer


async def main(settings: Settings) -> None:
    """Serves until told to stop."""
    service = Service("profiles", settings)
    database = Database.connect(settings)
    service.resources.push_async_callback(database.close)
    service.watch(database.check)
    service.keep_answers(Answers(database, settings))
    warehouse, segments = connect(settings, "warehouse"), connect(settings, "segments")
    service.resources.push_async_callback(warehouse.close)
    service.resources.push_async_callback(segments.close)
    service.watch(warehouse.channel_ready)
    service.watch(segments.channel_ready)
    ingestion = connect(settings, "ingestion")
    service.resources.push_async_callback(ingestion.close)
    profiles = ProfilesServicer(database, warehouse=warehouse, segments=segments)
    profiles_pb2_grpc.add_ProfilesServiceServicer_to_server(profiles, service.server)
    # Who links waits for others who link; who reads must not wait for them.
    links = Database.connect(settings, pool_size=2, name="links")
    service.resources.push_async_callback(links.close)
    links_pb2_grpc.add_LinksServiceServicer_to_server(LinksServicer(links), service.server)
    explain = ExplainServicer(database, warehouse=warehouse, segments=segments, ingestion=ingestion)
    explain_pb2_grpc.add_ExplainServiceServicer_to_server(explain, service.server)
    counting = MemberCounting(database)
    service.resources.push_async_callback(counting.close)
    analytics = AnalyticsServicer(database, Warehouse(warehouse), counting)
    analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server(analytics, service.server)
    await start_erasures(service, database, warehouse=warehouse, segments=segments, ingestion=ingestion)
    await service.serve(
        "segops.profiles.v1.ProfilesService",
        "segops.profiles.v1.ErasureService",
        "segops.profiles.v1.LinksService",
        "segops.profiles.v1.ExplainService",
        "segops.analytics.v1.AnalyticsService",
    )


async def start_erasures(service: Service, database: Database, **channels: grpc.aio.Channel) -> None:
    """Runs the queue of erasures until the service ends, and answers for them."""
    settings, own = service.settings, ErasureSettings()
    connectors = connect(settings, "connectors")
    service.resources.push_async_callback(connectors.close)
    stores = ErasureStores({**channels, "connectors": connectors})
    pseudonyms = Pseudonyms.of_installation(settings)
    actor = Actor(settings, "profiles")
    queue = ErasureQueue(database, actor, stores, pseudonyms, grace_seconds=own.grace_seconds)
    jobs = Jobs(settings, database, QUEUE, queue.tasks, concurrency=own.parallel)
    await service.resources.enter_async_context(jobs.working())
    service.keep_doing(repeat(LOOK_SECONDS, partial(look_at_erasures, database)))
    erasures_pb2_grpc.add_ErasureServiceServicer_to_server(ErasureServicer(queue.erasures), service.server)


if __name__ == "__main__":
    run("profiles", main)
