"""The first tables, as they were then: written out, so that later changes of `tables.py` do not change the past."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEY = sa.String().with_variant(sa.Text(collation="C"), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _base()
    _states()
    _intake()
    _scan()
    _ledger()


def _base() -> None:
    op.create_table(
        "meta",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "routes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("source_identity", sa.Text),
        sa.Column("cursor", sa.Text),
        sa.Column("positioned", sa.Integer, nullable=False, server_default="0"),
        sa.Column("initial_done", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_run", sa.Text),
        sa.Column("observed_files", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("observed_bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("delivered_files", sa.BigInteger, nullable=False, server_default="0"),
    )


def _state_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("route_id", sa.Integer, sa.ForeignKey("routes.id"), nullable=False),
        sa.Column("file_path", _KEY, nullable=False),
        sa.Column("permissions", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("group", sa.Text),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("file_type", sa.Text),
        sa.Column("etag", sa.Text, nullable=False),
        sa.Column("last_modified", sa.Text, nullable=False),
        sa.Column("internal_id", sa.Text),
        sa.Column("version_id", sa.Text),
        sa.Column("revision", sa.BigInteger, nullable=False),
    ]


def _states() -> None:
    op.create_table(
        "observed",
        *_state_columns(),
        sa.Column("seen_permissions", sa.Text),
        sa.Column("seen_owner", sa.Text),
        sa.Column("seen_group", sa.Text),
        sa.Column("event_sequencer", sa.Text),
        sa.Column("event_position", sa.BigInteger, nullable=False, server_default="0"),
        sa.UniqueConstraint("route_id", "file_path", name="observed_path"),
    )
    op.create_table("delivered", *_state_columns(), sa.Column("doubt", sa.Text))
    op.create_index("delivered_path", "delivered", ["route_id", "file_path"])
    in_doubt = sa.text("doubt IS NOT NULL")
    op.create_index("delivered_doubt", "delivered", ["id"], sqlite_where=in_doubt, postgresql_where=in_doubt)
    op.create_table(
        "touched",
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("route_id", sa.Integer, nullable=False),
        sa.Column("since", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
    )


def _intake() -> None:
    op.create_table(
        "events",
        sa.Column("seq", _ID, primary_key=True, autoincrement=True),
        sa.Column("route_id", sa.Integer, nullable=False),
        sa.Column("event_key", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("file_path", _KEY),
        sa.Column("new_path", _KEY),
        sa.Column("timestamp", sa.Text),
        sa.Column("received_at", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.UniqueConstraint("route_id", "event_key", name="events_key"),
    )
    op.create_table(
        "relooks",
        sa.Column("route_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("file_path", _KEY, primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("route_id", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("received_at", sa.Text, nullable=False),
        sa.UniqueConstraint("route_id", "digest", name="quarantine_digest"),
    )


def _scan() -> None:
    op.create_table(
        "scans",
        sa.Column("route_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("token", sa.Text),
        sa.Column("last_key", _KEY),
        sa.Column("started_at", sa.Text),
        sa.Column("finished_at", sa.Text),
        sa.Column("keys", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("suspicion", sa.Text),
    )
    op.create_table(
        "scan_missing",
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("route_id", sa.Integer, nullable=False),
    )


def _ledger() -> None:
    op.create_table(
        "failures",
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("operation", sa.Text, primary_key=True),
        sa.Column("route_id", sa.Integer, nullable=False),
        sa.Column("file_path", _KEY, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("cycles", sa.Integer, nullable=False),
        sa.Column("first_at", sa.Text, nullable=False),
        sa.Column("last_at", sa.Text, nullable=False),
        sa.Column("quarantined", sa.Integer, nullable=False),
    )
    op.create_table(
        "approvals",
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("route_id", sa.Integer, nullable=False),
        sa.Column("file_path", _KEY, nullable=False),
        sa.Column("approved_at", sa.Text, nullable=False),
    )
    op.create_table(
        "held",
        sa.Column("route_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("deletes", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.Text, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("route_id", sa.Integer, nullable=False),
        sa.Column("sync_type", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("finished_at", sa.Text),
        sa.Column("success", sa.Integer),
        sa.Column("exit_code", sa.Integer),
        sa.Column("report", sa.Text),
        sa.Column("reported", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_index("runs_started", "runs", ["route_id", "started_at"])
