"""Runs the migrations on the connection that `inspection.store.database` hands over."""

from alembic import context

from inspection.store.partitions import is_described
from inspection.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_name=is_described,
    # SQLite changes a column by rebuilding its table.
    render_as_batch=True,
    # Also on SQLite: the connection begins its transactions itself.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
