"""Runs revisions on the connection that the caller opened, inside the caller's one transaction."""

from alembic import context

from sync_service.catalogue.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
