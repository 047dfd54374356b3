"""What was agreed, and everything that crosses the border: contracts, their store, files in, documents out."""
