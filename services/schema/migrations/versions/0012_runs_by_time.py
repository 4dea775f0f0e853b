"""Finding the last run of a segment before an instant."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_index("segment_runs_segment_id_computed_at_idx", "segment_runs", ["segment_id", "computed_at"])
