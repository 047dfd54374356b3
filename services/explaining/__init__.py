"""Where an amount comes from, read from what was stored: documents and lines, conversions, impressions."""
