"""Tables of the profiles service."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.schema.base import Id, Moment, UserId, metadata

# Which user ids belong to one person. A row says that `user_id` was linked to `linked_to`, and who stands at the end of
# the chain of such links, `person_id`: that user's id is the person's. A row whose `person_id` is its own `user_id`
# was a link once, and is linked to itself.
user_links = Table(
    "user_links",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    Column("user_id", UserId, primary_key=True),
    Column("linked_to", UserId, nullable=False),
    Column("person_id", UserId, nullable=False),
    # Ascending in the order in which a tenant's changes were committed: what is mirrored in the warehouse follows it.
    Column("version", BigInteger, Identity(), nullable=False),
    Column("changed_at", Moment, nullable=False, server_default=func.now()),
    Index("user_links_tenant_id_linked_to_idx", "tenant_id", "linked_to"),
    Index("user_links_tenant_id_person_id_idx", "tenant_id", "person_id"),
    Index("user_links_tenant_id_version_idx", "tenant_id", "version"),
)

# Erasures of persons, and what became of them: the receipts.
erasures = Table(
    "erasures",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("status", Text, nullable=False, server_default="queued"),
    # All ids of the person while it runs, none when it is complete.
    Column("user_ids", ARRAY(UserId), nullable=False, server_default="{}"),
    # In whole milliseconds, as events have them.
    Column("requested_at", Moment, nullable=False),
    Column("completed_at", Moment),
    # A list of {store, erased, remaining, detail}, in the order in which they were looked at.
    Column("stores", JSON, nullable=False),
    CheckConstraint("status IN ('queued', 'running', 'complete')", name="status"),
    Index("erasures_unfinished_idx", "tenant_id", postgresql_where=text("status <> 'complete'")),
)

# Whose events are not taken: of pseudonyms (services/kit/pseudonyms.py), those that occurred up to an instant, and all
# while an erasure runs.
erased_users = Table(
    "erased_users",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    Column("pseudonym", LargeBinary, primary_key=True),
    Column("until", Moment, nullable=False),
    Column("is_running", Boolean, nullable=False, server_default=text("true")),
)
