"""Who sends: the caller of this request as taking events sees it."""

from services.ingestion.intake import Sender
from services.kit.caller import current_request


def current_sender() -> Sender:
    """The caller of the request being served. Raises Forbidden for one without a tenant."""
    request = current_request()
    return Sender(tenant_id=request.caller.tenant, uid=request.caller.uid or "", once=request.once)
