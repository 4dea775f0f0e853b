"""What public API keys have beside secret ones."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column(
        "api_keys", sa.Column("allowed_origins", postgresql.ARRAY(sa.Text), nullable=False, server_default="{}")
    )
    op.add_column(
        "api_keys", sa.Column("require_signed_user_id", sa.Boolean, nullable=False, server_default=sa.text("false"))
    )
    op.add_column("api_keys", sa.Column("hmac_secret", sa.LargeBinary))
    op.create_check_constraint("hmac_secret", "api_keys", "(key_type = 'public') = (hmac_secret IS NOT NULL)")
