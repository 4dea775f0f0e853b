"""A valid request of every RPC, in a tenant that has something of everything."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.e2e.account import PASSWORD, new_slug
from tests.e2e.tenancy.calls import Fields
from tests.e2e.test_segments import did, is_in
from tests.shopify_webhooks import ORDER

PAGE = {"limit": 10, "offset": 0}
EVENT = {"user_id": "shared@example.com", "event_type": "bought", "payload": {"total": 5}}
CALL = {"userId": "shared@example.com"}
PROPERTIES = [{"name": "total", "type": "number", "required": True}]
# Nobody listens there.
NOWHERE = "http://127.0.0.1:9/"


def samples(has: Mapping[str, Any], spare: Mapping[str, Any]) -> dict[str, Fields]:
    """By the name of the RPC. `has` are a tenant's objects by their kind, `spare` those it can do without."""
    return {
        **_identity(has, spare),
        **_team(has, spare),
        **_ingestion(has, spare),
        **_segments(has, spare),
        **_connectors(has, spare),
        **_profiles(has),
        **_analytics(),
    }


def _identity(has: Mapping[str, Any], spare: Mapping[str, Any]) -> dict[str, Fields]:
    slug = new_slug()
    registration = {"email": f"{slug}@example.com", "password": PASSWORD, "tenant_name": slug, "tenant_slug": slug}
    return {
        "IdentityService/Register": registration,
        "IdentityService/CreateToken": {"email": has["emails"], "password": PASSWORD, "tenant_slug": has["slugs"]},
        "IdentityService/RefreshToken": {"refresh": spare["refresh"]},
        "IdentityService/GetMe": {},
        "IdentityService/CreateApiKey": {"name": "Web", "tenant_slug": has["slugs"], "key_type": "public"}
        | {"allowed_origins": ["https://example.com"], "require_signed_user_id": True},
        "IdentityService/OpenSession": {"user_id": "shared@example.com", "anonymous_id": "visitor"},
        "IdentityService/ListApiKeys": PAGE,
        "IdentityService/RevokeApiKey": {"id": spare["api-keys"]},
        "IdentityService/GetJwks": {},
        "TenantService/CreateTenant": {"name": "Another", "slug": new_slug()},
        "TenantService/GetCurrentTenant": {},
        "TenantService/UpdateCurrentTenant": {"name": "Renamed", "settings": {"invitation_domains": []}},
        "TenantService/ChangePlan": {"plan": "enterprise"},
        "TenantService/TransferOwnership": {"user_id": has["members"]},
    }


def _team(has: Mapping[str, Any], spare: Mapping[str, Any]) -> dict[str, Fields]:
    return {
        "TeamService/ListMembers": PAGE,
        "TeamService/UpdateMember": {"id": has["members"], "role": "viewer"},
        "TeamService/RemoveMember": {"id": spare["members"]},
        "TeamService/Invite": {"email": f"{new_slug()}@example.com", "role": "member"},
        "TeamService/ListInvitations": PAGE,
        "TeamService/WithdrawInvitation": {"id": spare["invitations"]},
        "TeamService/AcceptInvitation": {"token": spare["tokens"], "password": PASSWORD},
    }


def _ingestion(has: Mapping[str, Any], spare: Mapping[str, Any]) -> dict[str, Fields]:
    event = EVENT | {"anonymous_id": "visitor", "message_id": secrets.token_hex(8)}
    typed = {"properties" if name == "payload" else name: value for name, value in event.items()}
    schema = {"event_type": new_slug(), "properties": PROPERTIES}
    return {
        "IngestionService/Track": event,
        "IngestionService/TrackBatch": {"events": [event, EVENT]},
        "IngestionService/TrackEvents": {"events": [typed]},
        "IngestionService/TrackStream": {"batch": "1", "events": [typed]},
        "IngestionService/GetStats": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"},
        "IngestionService/ListErrors": PAGE | {"event_type": "bought"},
        "SchemaService/ListSchemas": PAGE,
        "SchemaService/CreateSchema": schema,
        "SchemaService/GetSchema": {"id": has["schemas"]},
        "SchemaService/ReplaceSchema": {"id": has["schemas"], **schema},
        "SchemaService/UpdateSchema": {"id": has["schemas"], **schema},
        "SchemaService/DeleteSchema": {"id": spare["schemas"]},
        "SchemaService/InferSchemas": {"events": [EVENT]},
        "SchemaService/ValidatePayload": {"event_type": "bought", "payload": {"total": "5"}},
        "ShopifyService/ReceiveWebhook": {"tenant_slug": has["slugs"], "body": ORDER},
        "ShopifyService/GetShopify": {},
        "ShopifyService/PutShopify": {"webhook_secret": f"{has['slugs']} secret"},
        "TrackingService/Batch": {"batch": [CALL | {"type": "track", "event": "bought"}]},
        "TrackingService/TrackCall": CALL | {"event": "bought", "properties": {"total": 5}},
        "TrackingService/IdentifyCall": CALL | {"traits": {"city": "Rome"}},
        "TrackingService/PageCall": CALL | {"name": "Home"},
        "TrackingService/ScreenCall": CALL | {"name": "Home"},
        "TrackingService/GroupCall": CALL | {"groupId": "a group"},
        "TrackingService/AliasCall": CALL | {"previousId": "visitor"},
    }


def _segments(has: Mapping[str, Any], spare: Mapping[str, Any]) -> dict[str, Fields]:
    one = {"id": has["segments"]}
    nested = {"logic": "OR", "conditions": [did("bought")["conditions"][0], is_in(spare["bases"])]}
    segment = {
        "name": "Buyers",
        "tenant": has["tenants"],
        "segment_type": "rule",
        "description": "Whoever bought",
        "definition": nested,
        "is_active": True,
        "refresh_minutes": 600,
    }
    return {
        "SegmentsService/ListSegments": PAGE | {"search": "Buy"},
        "SegmentsService/CreateSegment": segment,
        "SegmentsService/GetSegment": one,
        "SegmentsService/ReplaceSegment": one | segment,
        "SegmentsService/UpdateSegment": one | segment,
        "SegmentsService/DeleteSegment": {"id": spare["segments"]},
        "SegmentsService/ListVersions": one | PAGE,
        "SegmentsService/PreviewSegment": {"definition": nested, "limit": 5, "as_of": "2026-01-01T00:00:00Z"},
        "SegmentsService/DiffSegment": one | {"definition": nested},
        "SegmentsService/EstimateSegment": one,
        "SegmentsService/ComputeSegment": one,
        "SegmentsService/ListMembers": one | {"limit": 1, "cursor": has["cursors of members"]},
        "SegmentsService/StreamMembers": one,
        "SegmentsService/ListChanges": one
        | {"since": "2026-01-01T00:00:00Z", "limit": 1, "cursor": has["cursors of changes"]},
        "SegmentsService/GetMembership": {"user_id": has["users"], "segment_id": has["segments"]},
        "SegmentsService/BatchGetMembership": {"user_ids": [has["users"], "shared@example.com"]},
        "SegmentsService/CreateExport": one | {"format": "csv"},
        "SegmentsService/GetExport": one | {"export_id": has["exports"]},
        "SegmentsService/DownloadExport": {"id": has["exports"]},
    }


def _connectors(has: Mapping[str, Any], spare: Mapping[str, Any]) -> dict[str, Fields]:
    config = {"url": NOWHERE, "secret": "a-webhook-secret"}
    connector, webhook = {"id": has["activations"]}, {"id": has["webhooks"]}
    # Not active, so that nothing is sent.
    hook = {"url": NOWHERE, "secret": "a-webhook-secret", "description": "Nothing", "is_active": False}
    return {
        "ConnectorsService/ListActivations": PAGE,
        "ConnectorsService/CreateActivation": {
            "segment": has["segments"],
            "connector_type": "webhook",
            "config": config,
        },
        "ConnectorsService/GetActivation": connector,
        "ConnectorsService/UpdateActivation": connector
        | {"segment": has["segments"], "status": "inactive", "config": config},
        "ConnectorsService/DeleteActivation": {"id": spare["activations"]},
        "ConnectorsService/SyncActivation": connector,
        "ConnectorsService/VerifyActivation": connector,
        "ConnectorsService/ListLogs": connector | PAGE,
        "ConnectorsService/ListWebhooks": PAGE,
        "ConnectorsService/CreateWebhook": hook,
        "ConnectorsService/GetWebhook": webhook,
        "ConnectorsService/ReplaceWebhook": webhook | hook,
        "ConnectorsService/UpdateWebhook": webhook | hook,
        "ConnectorsService/DeleteWebhook": {"id": spare["webhooks"]},
        "ConnectorsService/ListDeliveries": webhook | PAGE,
        "ConnectorsService/RedeliverWebhook": {"delivery_id": has["deliveries"]},
    }


def _profiles(has: Mapping[str, Any]) -> dict[str, Fields]:
    user = {"user_id": has["users"]}
    between = {"since": "2026-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"}
    return {
        "ProfilesService/SearchUsers": PAGE | {"q": "shared"},
        "ProfilesService/GetUser": user,
        "ProfilesService/ListUserEvents": user | PAGE | between | {"event_type": "bought"},
        "ProfilesService/ListUserSegments": user,
        "ErasureService/EraseUser": {"user_id": "erased@example.com"},
        "ErasureService/GetErasure": {"id": has["erasures"]},
        "LinksService/AliasVisitor": {"anonymous_id": "linked", "user_id": "linked-to"},
        "LinksService/MergeUsers": {"from_user_id": "merged", "into_user_id": "linked-to"},
        "ExplainService/ExplainMembership": user | {"segment_id": has["segments"], "at": datetime.now(UTC).isoformat()},
        "ExplainService/PublishSandbox": EVENT,
    }


def _analytics() -> dict[str, Fields]:
    names = ("GetOverview", "ListSegmentTrends", "ListOverlaps", "ListActivationStats", "GetUsage")
    return {f"AnalyticsService/{name}": {} for name in names}
