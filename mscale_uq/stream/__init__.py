"""Streams: sources of records, the durable journal, late data, and the filter that follows them."""
