"""Every column that names users of tenants is known to whoever erases them."""

from sqlalchemy import Text
from sqlalchemy.types import ARRAY

from services.schema import connectors, idempotency, identity, ingestion, profiles, segments  # noqa: F401 - declare their tables
from services.schema.base import metadata

NAMES = {"user_id", "user_ids", "person_id", "linked_to", "sent_through", "tried_through"}
# Erased by their services; those of erasures themselves when one is complete.
ERASED = {
    "memberships.user_id",
    "membership_changes.user_id",
    "event_errors.user_id",
    "shopify_checkouts.user_id",
    "activations.sent_through",
    "activations.tried_through",
    "user_links.user_id",
    "user_links.linked_to",
    "user_links.person_id",
    "erasures.user_ids",
    "erasure_removals.user_ids",
}


def test_no_column_that_names_users_is_forgotten() -> None:
    found = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.c
        if column.name in NAMES and isinstance(column.type, Text | ARRAY)
    }
    assert found == ERASED
