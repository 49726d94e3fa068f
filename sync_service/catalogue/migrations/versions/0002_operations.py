"""The history of operations: what each of them was, how it ended, and when."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_KEY = sa.String().with_variant(sa.Text(collation="C"), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "operations",
        sa.Column("seq", _ID, primary_key=True, autoincrement=True),
        sa.Column("route_id", sa.Integer, nullable=False),
        sa.Column("row_id", _ID, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("file_path", _KEY, nullable=False),
        sa.Column("new_path", _KEY),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("etag", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("internal_id", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("error_kind", sa.Text),
        sa.Column("message", sa.Text),
    )
