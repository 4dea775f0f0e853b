"""The ingestion service: takes events into the event log."""

from datetime import UTC, datetime

from services.gen.segops.ingestion.v1 import (
    checks_pb2_grpc,
    erasure_pb2_grpc,
    ingestion_pb2_grpc,
    schemas_pb2_grpc,
    shopify_pb2_grpc,
    tracking_pb2_grpc,
)
from services.ingestion.check_servicer import EventCheckServicer
from services.ingestion.erasing import Eraser
from services.ingestion.erasure_servicer import ErasureServicer
from services.ingestion.error_list import FORGET_SECONDS, ErrorList
from services.ingestion.grouping import GroupCommit
from services.ingestion.intake import Intake
from services.ingestion.known import KnownEvents
from services.ingestion.publisher import Publisher
from services.ingestion.quota import MonthlyQuota
from services.ingestion.rules import TenantRules
from services.ingestion.schema_registry import SchemaRegistry
from services.ingestion.schema_servicer import SchemaServicer
from services.ingestion.servicer import IngestionServicer
from services.ingestion.settings import IngestionSettings
from services.ingestion.shopify import ShopifyReceiver
from services.ingestion.shopify_integration import ShopifyIntegrations
from services.ingestion.shopify_servicer import ShopifyServicer
from services.ingestion.tracking import Tracking
from services.ingestion.tracking_servicer import TrackingServicer
from services.ingestion.warehouse import Warehouse
from services.kit.eventlog import EventLog
from services.kit.idempotency import Answers
from services.kit.keys import INGESTION_KEY, secret
from services.kit.listening import Listener
from services.kit.postgres import Database
from services.kit.pseudonyms import Pseudonyms
from services.kit.repeating import repeat
from services.kit.server import Service, run
from services.kit.settings import Settings
from services.kit.vault import Vault
from services.kit.visitor_links import VisitorLinks


async def main(settings: Settings) -> None:
    """Serves until told to stop."""
    service = Service("ingestion", settings)
    database = Database.connect(settings)
    service.resources.push_async_callback(database.close)
    event_log = await EventLog.connect(settings)
    service.resources.push_async_callback(event_log.close)
    service.watch(event_log.check)
    service.watch(database.check)
    service.keep_answers(Answers(database, settings))
    pseudonyms = Pseudonyms.of_installation(settings)
    errors = ErrorList(database, pseudonyms)
    service.resources.push_async_callback(errors.close)
    # Not the pool of those who read lists: taking events must not wait for them.
    limits = Database.connect(settings, pool_size=4, name="limits")
    service.resources.push_async_callback(limits.close)
    rules = TenantRules(limits, Listener(settings, "ingestion"), pseudonyms)
    service.resources.push_async_callback(rules.close)
    quota = MonthlyQuota(limits, rules.plan)
    service.resources.push_async_callback(quota.close)
    warehouse = Warehouse(settings)
    service.resources.push_async_callback(warehouse.close)
    intake = Intake(
        storage=GroupCommit(Publisher(event_log)),
        errors=errors,
        rules=rules,
        quota=quota,
        known=KnownEvents(warehouse),
        clock=lambda: datetime.now(UTC),
    )
    servicer = IngestionServicer(intake, errors, warehouse)
    ingestion_pb2_grpc.add_IngestionServiceServicer_to_server(servicer, service.server)
    checks_pb2_grpc.add_EventCheckServiceServicer_to_server(EventCheckServicer(intake), service.server)
    schemas = SchemaServicer(SchemaRegistry(database))
    schemas_pb2_grpc.add_SchemaServiceServicer_to_server(schemas, service.server)
    links = VisitorLinks(settings)
    service.resources.push_async_callback(links.close)
    tracking_pb2_grpc.add_TrackingServiceServicer_to_server(TrackingServicer(Tracking(intake, links)), service.server)
    # A webhook keeps its connection until its event is on disk.
    shops = Database.connect(settings, name="shops")
    service.resources.push_async_callback(shops.close)
    vault = Vault([*IngestionSettings().key_list, secret(settings, INGESTION_KEY)])
    receiver = ShopifyReceiver(shops, vault, intake)
    service.keep_doing(repeat(FORGET_SECONDS, receiver.forget))
    shopify = ShopifyServicer(receiver, ShopifyIntegrations(database, vault))
    shopify_pb2_grpc.add_ShopifyServiceServicer_to_server(shopify, service.server)
    erasure_pb2_grpc.add_ErasureServiceServicer_to_server(ErasureServicer(Eraser(database)), service.server)
    await service.serve(
        *(
            f"segops.ingestion.v1.{name}Service"
            for name in ("Erasure", "EventCheck", "Ingestion", "Schema", "Shopify", "Tracking")
        )
    )


if __name__ == "__main__":
    run("ingestion", main)
