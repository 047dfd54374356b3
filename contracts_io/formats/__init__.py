"""One file per outside format in which tables and documents leave the house."""
