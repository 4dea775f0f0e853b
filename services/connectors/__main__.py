"""The connectors process: sends segments to the tools that use them, and tells webhooks of computes."""

from functools import partial

from services.connectors.addresses import AllowList
from services.connectors.backlog import look_at_backlog
from services.connectors.computed import QUEUE, ComputedQueue
from services.connectors.delivering import Deliverer
from services.connectors.destinations import TYPES
from services.connectors.destinations.settings import DestinationSettings, means
from services.connectors.editing import Activations
from services.connectors.erasing import Eraser
from services.connectors.erasure_servicer import ErasureServicer
from services.connectors.forgetting import FORGET_SECONDS, Forgetter
from services.connectors.outbound import Outbound
from services.connectors.removals import CHECK_SECONDS, queue_due
from services.connectors.renewal import renew_secrets
from services.connectors.sending import Sender
from services.connectors.servicer import ConnectorsServicer
from services.connectors.settings import ConnectorsSettings, OutboundSettings
from services.connectors.sync_destinations import Destinations
from services.connectors.sync_jobs import SYNCS, SyncQueue
from services.connectors.verifying import Verifier
from services.connectors.webhooks import Webhooks
from services.gen.segops.connectors.v1 import connectors_pb2_grpc, erasure_pb2_grpc
from services.kit.idempotency import Answers
from services.kit.jobs import Jobs
from services.kit.keys import CONNECTORS_KEY, secret
from services.kit.metrics import LOOK_SECONDS
from services.kit.postgres import Database
from services.kit.renewal import until_done
from services.kit.repeating import repeat
from services.kit.server import Service, run
from services.kit.settings import Settings
from services.kit.vault import Vault

# Syncs wait for receivers most of the time, and keep no connection to PostgreSQL meanwhile.
CONCURRENCY, POOL_SIZE = 32, 16


async def main(settings: Settings) -> None:
    service = Service("connectors", settings)
    own = ConnectorsSettings()
    database = Database.connect(settings)
    service.resources.push_async_callback(database.close)
    service.watch(database.check)
    service.keep_answers(Answers(database, settings))
    outbound = Outbound(AllowList.parse(OutboundSettings().allow))
    service.resources.push_async_callback(outbound.close)
    vault = Vault([*own.key_list, secret(settings, CONNECTORS_KEY)])
    destinations = Destinations(TYPES, vault, means(settings, DestinationSettings(), outbound))
    at_work = Database.connect(settings, pool_size=POOL_SIZE, name="work")
    service.resources.push_async_callback(at_work.close)
    syncs = SyncQueue(at_work, destinations, own.patience)
    for jobs in (
        Jobs(settings, at_work, SYNCS, syncs.tasks, concurrency=CONCURRENCY),
        Jobs(settings, at_work, QUEUE, ComputedQueue(at_work, syncs).tasks),
    ):
        await service.resources.enter_async_context(jobs.working())
    sender = Sender(outbound, vault, timeout_seconds=own.webhook_timeout_seconds)
    await service.resources.enter_async_context(Deliverer(at_work, sender, own.patience).working())
    forgetter = Forgetter(database, keep_days=own.keep_days)
    renewing = until_done(partial(renew_secrets, database, vault))
    removing = repeat(CHECK_SECONDS, partial(queue_due, at_work, syncs))
    watching = repeat(LOOK_SECONDS, partial(look_at_backlog, database))
    for work in (renewing, repeat(FORGET_SECONDS, forgetter.forget), removing, watching):
        service.keep_doing(work)
    activations = Activations(database, vault, syncs, TYPES, outbound)
    verifier = Verifier(database, destinations, syncs)
    webhooks = Webhooks(database, vault, outbound)
    connectors_pb2_grpc.add_ConnectorsServiceServicer_to_server(
        ConnectorsServicer(database, activations, verifier, webhooks), service.server
    )
    erasure_pb2_grpc.add_ErasureServiceServicer_to_server(ErasureServicer(Eraser(database, syncs)), service.server)
    await service.serve("segops.connectors.v1.ConnectorsService", "segops.connectors.v1.ErasureService")


if __name__ == "__main__":
    run("connectors", main)
