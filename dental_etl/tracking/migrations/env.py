"""Alembic's environment: `migrate` hands over the connection, there is no alembic.ini."""

from __future__ import annotations

from alembic import context

from dental_etl.tracking.ledger.tables import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
