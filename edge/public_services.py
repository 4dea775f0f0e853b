"""The services strangers may reach, by process: the routes, Envoy's clusters and the API document follow this list."""

from google.protobuf.descriptor import ServiceDescriptor

from services.gen.segops.analytics.v1 import analytics_pb2
from services.gen.segops.connectors.v1 import connectors_pb2
from services.gen.segops.identity.v1 import identity_pb2, team_pb2, tenants_pb2
from services.gen.segops.ingestion.v1 import ingestion_pb2, schemas_pb2, shopify_pb2, tracking_pb2
from services.gen.segops.profiles.v1 import erasures_pb2, explain_pb2, links_pb2, profiles_pb2
from services.gen.segops.segments.v1 import segments_pb2

PUBLIC_SERVICES: dict[str, tuple[ServiceDescriptor, ...]] = {
    "identity": (
        identity_pb2.DESCRIPTOR.services_by_name["IdentityService"],
        tenants_pb2.DESCRIPTOR.services_by_name["TenantService"],
        team_pb2.DESCRIPTOR.services_by_name["TeamService"],
    ),
    "ingestion": (
        ingestion_pb2.DESCRIPTOR.services_by_name["IngestionService"],
        schemas_pb2.DESCRIPTOR.services_by_name["SchemaService"],
        shopify_pb2.DESCRIPTOR.services_by_name["ShopifyService"],
        tracking_pb2.DESCRIPTOR.services_by_name["TrackingService"],
    ),
    "segments": (segments_pb2.DESCRIPTOR.services_by_name["SegmentsService"],),
    "connectors": (connectors_pb2.DESCRIPTOR.services_by_name["ConnectorsService"],),
    "profiles": (
        profiles_pb2.DESCRIPTOR.services_by_name["ProfilesService"],
        links_pb2.DESCRIPTOR.services_by_name["LinksService"],
        erasures_pb2.DESCRIPTOR.services_by_name["ErasureService"],
        explain_pb2.DESCRIPTOR.services_by_name["ExplainService"],
        analytics_pb2.DESCRIPTOR.services_by_name["AnalyticsService"],
    ),
}


def public_services() -> list[ServiceDescriptor]:
    """All of them."""
    return [service for services in PUBLIC_SERVICES.values() for service in services]
