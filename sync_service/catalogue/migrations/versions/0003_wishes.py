"""Wishes of events for objects that could not be looked at are kept; an event is known by its key alone."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("relooks", sa.Column("wishes", sa.Text, nullable=False, server_default="[]"))
    op.drop_column("events", "identity")
