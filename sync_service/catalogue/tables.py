"""The catalogue's tables: what was observed, what was delivered, and what it takes to go on after a crash."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# Keys are compared as S3 orders them, by UTF-8 bytes; SQLite does so by itself, PostgreSQL with this collation.
KeyText = String().with_variant(Text(collation="C"), "postgresql")
Id = BigInteger().with_variant(Integer, "sqlite")


def _state_columns() -> list[Column[object]]:
    """The columns that `observed` and `delivered` share: the contract's CSV columns, version and revision."""
    return [
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("route_id", Integer, ForeignKey("routes.id"), nullable=False),
        Column("file_path", KeyText, nullable=False),
        Column("permissions", Text),
        Column("owner", Text),
        Column("group", Text),
        Column("size", BigInteger, nullable=False),
        Column("file_type", Text),
        Column("etag", Text, nullable=False),
        Column("last_modified", Text, nullable=False),
        Column("internal_id", Text),
        Column("version_id", Text),
        Column("revision", BigInteger, nullable=False),
    ]


meta = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

routes = Table(
    "routes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("source_identity", Text),
    Column("cursor", Text),
    Column("positioned", Integer, nullable=False, server_default="0"),
    Column("initial_done", Integer, nullable=False, server_default="0"),
    Column("next_run", Text),
    # Running totals, kept in the transactions that change the rows: counting a million rows takes too long for `status`.
    Column("observed_files", BigInteger, nullable=False, server_default="0"),
    Column("observed_bytes", BigInteger, nullable=False, server_default="0"),
    Column("delivered_files", BigInteger, nullable=False, server_default="0"),
)

observed = Table(
    "observed",
    metadata,
    *_state_columns(),
    # What was last seen of permissions (models.Seen): metadata's values, and the order of the event that set them.
    Column("seen_permissions", Text),
    Column("seen_owner", Text),
    Column("seen_group", Text),
    Column("event_sequencer", Text),
    Column("event_position", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("route_id", "file_path", name="observed_path"),
)

delivered = Table(
    "delivered",
    metadata,
    *_state_columns(),
    # The attempt that is in doubt, as JSON of the operation; NULL when the row is settled.
    Column("doubt", Text),
)
Index("delivered_path", delivered.c.route_id, delivered.c.file_path)
Index(
    "delivered_doubt",
    delivered.c.id,
    sqlite_where=delivered.c.doubt.is_not(None),
    postgresql_where=delivered.c.doubt.is_not(None),
)

# Rows that may differ between the two states: what a cycle has to look at. An index, not a queue: it can be rebuilt.
touched = Table(
    "touched",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("route_id", Integer, nullable=False),
    Column("since", Text, nullable=False),
    Column("cause", Text, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=True),
    Column("route_id", Integer, nullable=False),
    Column("event_key", Text, nullable=False),
    # A hash of what the event says, without its id and time.
    Column("content", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("file_path", KeyText),
    Column("new_path", KeyText),
    Column("timestamp", Text),
    Column("received_at", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    UniqueConstraint("route_id", "event_key", name="events_key"),
)
Index("events_content", events.c.route_id, events.c.content)

scans = Table(
    "scans",
    metadata,
    Column("route_id", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("token", Text),
    Column("last_key", KeyText),
    Column("started_at", Text),
    Column("finished_at", Text),
    Column("keys", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("suspicion", Text),
)

# Observed rows that the running scan did not list; each is looked at before it is believed to be gone.
scan_missing = Table(
    "scan_missing",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("route_id", Integer, nullable=False),
)

# Keys that an event named and the source did not answer for: looked at again with the next batch.
relooks = Table(
    "relooks",
    metadata,
    Column("route_id", Integer, primary_key=True, autoincrement=False),
    Column("file_path", KeyText, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    # Permissions that an event asked for, as JSON of their events, where no row is known yet to hold them.
    Column("wishes", Text, nullable=False, server_default="[]"),
)

failures = Table(
    "failures",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("operation", Text, primary_key=True),
    Column("route_id", Integer, nullable=False),
    Column("file_path", KeyText, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("cycles", Integer, nullable=False),
    Column("first_at", Text, nullable=False),
    Column("last_at", Text, nullable=False),
    Column("quarantined", Integer, nullable=False),
)

# How operations ended, for `explain`; bounded, and no part of what a cycle works with.
operations = Table(
    "operations",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=True),
    Column("route_id", Integer, nullable=False),
    Column("row_id", Id, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("file_path", KeyText, nullable=False),
    Column("new_path", KeyText),
    Column("size", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("internal_id", Text),
    Column("attempts", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("error_kind", Text),
    Column("message", Text),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("route_id", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("received_at", Text, nullable=False),
    UniqueConstraint("route_id", "digest", name="quarantine_digest"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("route_id", Integer, nullable=False),
    Column("file_path", KeyText, nullable=False),
    Column("approved_at", Text, nullable=False),
)

held = Table(
    "held",
    metadata,
    Column("route_id", Integer, primary_key=True, autoincrement=False),
    Column("deletes", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("route_id", Integer, nullable=False),
    Column("sync_type", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("success", Integer),
    Column("exit_code", Integer),
    Column("report", Text),
    Column("reported", Integer, nullable=False, server_default="0"),
    # In the order in which runs began, whatever the clock says.
    Column("seq", BigInteger, nullable=False, server_default="0"),
)
Index("runs_seq", runs.c.seq)
