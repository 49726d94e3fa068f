"""Runs are in the order in which they began: by their times, a clock that was set back put new ones behind old ones."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("runs", sa.Column("seq", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(
        "UPDATE runs SET seq = (SELECT count(*) FROM runs other WHERE other.started_at < runs.started_at "
        "OR (other.started_at = runs.started_at AND other.run_id <= runs.run_id))"
    )
    op.drop_index("runs_started", "runs")
    op.create_index("runs_seq", "runs", ["seq"])
