"""The schema of the books, revision by revision (Alembic); ``contracts_io.store.revision`` runs them."""
