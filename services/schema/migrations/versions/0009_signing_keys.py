"""Keys that sign tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("private_key", sa.LargeBinary, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("signs_from", MOMENT, nullable=False),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON signing_keys TO segops_identity")
    # The edge asks for the keys again, and forgets the tokens of one that is gone.
    op.execute("""
        CREATE FUNCTION announce_signing_key() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM pg_notify('credentials', 'signing:' || coalesce(NEW.id, OLD.id));
          RETURN NULL;
        END $$""")
    op.execute("""
        CREATE TRIGGER announce_signing_key AFTER INSERT OR DELETE ON signing_keys
        FOR EACH ROW EXECUTE FUNCTION announce_signing_key()""")
