"""Landing files become raw rows: formats, column mapping, manifests."""
