"""What Alembic runs: the revisions, on the connection and in the transaction of who asked for them."""

from alembic import context

from contracts_io.store.revision import TABLE

# SQLite takes back CREATE and DROP with the transaction too; Alembic does not count on it unless it is told.
context.configure(connection=context.config.attributes["connection"], version_table=TABLE, transactional_ddl=True)
context.run_migrations()
