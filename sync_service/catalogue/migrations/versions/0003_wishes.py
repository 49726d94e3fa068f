"""Wishes of events for objects that could not be looked at are kept; events that say the same are found by what they say."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("relooks", sa.Column("wishes", sa.Text, nullable=False, server_default="[]"))
    op.execute("ALTER TABLE events RENAME COLUMN identity TO content")
    op.create_index("events_content", "events", ["route_id", "content"])
