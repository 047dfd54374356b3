"""The only code that knows SQLAlchemy: contracts, the audit chain, the catalogue of partitions, issued documents."""
